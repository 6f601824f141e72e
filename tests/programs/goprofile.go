// SPDX-License-Identifier: MIT

// goprofile FOLDER writes profiles as Go's own runtime makes them: cpu (with labels), heap, allocs,
// block, mutex, goroutine, threadcreate; and old.*, the texts of debug=1 that older tools read.
package main

import (
	"context"
	"os"
	"path/filepath"
	"runtime"
	"runtime/pprof"
	"sync"
	"time"
)

var (
	sink  uint64
	kept  [][]byte
	mutex sync.Mutex
)

//go:noinline
func burn(end time.Time) {
	for time.Now().Before(end) {
		for i := uint64(0); i < 100000; i++ {
			sink = sink*3 + i
		}
	}
}

//go:noinline
func allocate() {
	for i := 0; i < 200; i++ {
		kept = append(kept, make([]byte, 64<<10))
	}
}

func contend(done *sync.WaitGroup) {
	for i := 0; i < 50; i++ {
		mutex.Lock()
		time.Sleep(time.Millisecond)
		mutex.Unlock()
	}
	done.Done()
}

func create(folder, name string) *os.File {
	file, err := os.Create(filepath.Join(folder, name))
	if err != nil {
		panic(err)
	}
	return file
}

func write(folder, file, name string, debug int) {
	out := create(folder, file)
	if err := pprof.Lookup(name).WriteTo(out, debug); err != nil {
		panic(err)
	}
	out.Close()
}

func main() {
	folder := os.Args[1]
	runtime.MemProfileRate = 4096
	runtime.SetMutexProfileFraction(1)
	runtime.SetBlockProfileRate(1)
	cpu := create(folder, "cpu.pb.gz")
	if err := pprof.StartCPUProfile(cpu); err != nil {
		panic(err)
	}
	burn(time.Now().Add(time.Second / 2))
	pprof.Do(context.Background(), pprof.Labels("request", "second half"), func(context.Context) {
		burn(time.Now().Add(time.Second / 2))
	})
	pprof.StopCPUProfile()
	cpu.Close()
	allocate()
	var done sync.WaitGroup
	done.Add(2)
	go contend(&done)
	go contend(&done)
	done.Wait()
	names := []string{"heap", "allocs", "block", "mutex", "goroutine", "threadcreate"}
	for _, name := range names {
		write(folder, name+".pb.gz", name, 0)
		write(folder, "old."+name, name, 1)
	}
}
