// SPDX-License-Identifier: MIT

// goprofile FOLDER writes profiles as Go's own runtime makes them: cpu, heap, mutex, goroutine.
package main

import (
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
	file, err := os.Create(filepath.Join(folder, name+".pb.gz"))
	if err != nil {
		panic(err)
	}
	return file
}

func main() {
	folder := os.Args[1]
	runtime.MemProfileRate = 4096
	runtime.SetMutexProfileFraction(1)
	cpu := create(folder, "cpu")
	if err := pprof.StartCPUProfile(cpu); err != nil {
		panic(err)
	}
	burn(time.Now().Add(time.Second))
	pprof.StopCPUProfile()
	cpu.Close()
	allocate()
	var done sync.WaitGroup
	done.Add(2)
	go contend(&done)
	go contend(&done)
	done.Wait()
	for _, name := range []string{"heap", "mutex", "goroutine"} {
		file := create(folder, name)
		if err := pprof.Lookup(name).WriteTo(file, 0); err != nil {
			panic(err)
		}
		file.Close()
	}
}
