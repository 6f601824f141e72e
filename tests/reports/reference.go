// SPDX-License-Identifier: MIT

// reference prints google/pprof's reports, many of them without starting anew for each: it reads
// lines of JSON, arrays of pprof's arguments, and answers each with a line {"code", "out", "err"}.
package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"github.com/google/pprof/driver"
)

type answer struct {
	Code int    `json:"code"`
	Out  []byte `json:"out"`
	Err  string `json:"err"`
}

// pprof keeps what was asked for last as the defaults of what comes next. These are the first ones.
var defaults = map[string]any{}

// Of these, one is always chosen in the end; without a choice of ours the last one's would stay.
var choices = [][]string{
	{"functions", "filefunctions", "files", "lines", "addresses"},
	{"flat", "cum"},
}

func first[T any](name string, value T) T {
	if known, ok := defaults[name]; ok {
		return known.(T)
	}
	defaults[name] = value
	return value
}

type flags struct {
	set  *flag.FlagSet
	args []string
}

func (f *flags) Bool(name string, value bool, usage string) *bool {
	return f.set.Bool(name, first(name, value), usage)
}

func (f *flags) Int(name string, value int, usage string) *int {
	return f.set.Int(name, first(name, value), usage)
}

func (f *flags) Float64(name string, value float64, usage string) *float64 {
	return f.set.Float64(name, first(name, value), usage)
}

func (f *flags) String(name string, value string, usage string) *string {
	return f.set.String(name, first(name, value), usage)
}

func (f *flags) StringList(name string, _ string, usage string) *[]*string {
	list := &[]*string{}
	f.set.Func(name, usage, func(text string) error {
		*list = append(*list, &text)
		return nil
	})
	return list
}

func (f *flags) ExtraUsage() string   { return "" }
func (f *flags) AddExtraUsage(string) {}

func (f *flags) Parse(func()) []string {
	if f.set.Parse(f.args) != nil {
		return nil
	}
	for _, group := range choices {
		chosen := false
		f.set.Visit(func(one *flag.Flag) {
			chosen = chosen || slices.Contains(group, one.Name)
		})
		if !chosen {
			f.set.Set(group[0], "true")
		}
	}
	return f.set.Args()
}

// collector is where messages and the report go.
type collector struct {
	errors strings.Builder
	report bytes.Buffer
}

func (c *collector) ReadLine(string) (string, error)     { return "", io.EOF }
func (c *collector) Print(text ...any)                   { c.PrintErr(text...) }
func (c *collector) PrintErr(text ...any)                { fmt.Fprintln(&c.errors, fmt.Sprint(text...)) }
func (c *collector) IsTerminal() bool                    { return false }
func (c *collector) WantBrowser() bool                   { return false }
func (c *collector) SetAutoComplete(func(string) string) {}
func (c *collector) Open(string) (io.WriteCloser, error) { return c, nil }
func (c *collector) Write(data []byte) (int, error)      { return c.report.Write(data) }
func (c *collector) Close() error                        { return nil }

// noBinaries stands for the tools that read binaries: looking for them is most of what a report
// costs, and few need them.
type noBinaries struct{}

var errNoBinaries = errors.New("binaries are not read here")

func (noBinaries) Open(string, uint64, uint64, uint64, string) (driver.ObjFile, error) {
	return nil, errNoBinaries
}

func (noBinaries) Disasm(string, uint64, uint64, bool) ([]driver.Inst, error) {
	return nil, errNoBinaries
}

func run(args []string) (a answer) {
	c := &collector{}
	f := &flags{flag.NewFlagSet("pprof", flag.ContinueOnError), append([]string{"-output=x"}, args...)}
	f.set.SetOutput(&c.errors)
	defer func() {
		if problem := recover(); problem != nil {
			a = answer{2, nil, fmt.Sprint(problem)}
		}
	}()
	options := &driver.Options{Flagset: f, UI: c, Writer: c}
	if !strings.HasPrefix(args[0], "-disasm") && !strings.HasPrefix(args[0], "-weblist") {
		options.Obj = noBinaries{}
	}
	if err := driver.PProf(options); err != nil {
		fmt.Fprintln(&c.errors, err)
		return answer{2, nil, c.errors.String()}
	}
	return answer{0, c.report.Bytes(), c.errors.String()}
}

func main() {
	lines := bufio.NewScanner(os.Stdin)
	lines.Buffer(nil, 1<<20)
	answers := json.NewEncoder(os.Stdout)
	for lines.Scan() {
		var args []string
		if err := json.Unmarshal(lines.Bytes(), &args); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		if answers.Encode(run(args)) != nil {
			os.Exit(1)
		}
	}
}
