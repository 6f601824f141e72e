// SPDX-License-Identifier: MIT

// gostack SECONDS burns in a goroutine, some frames below its root, and in another one lets the
// runtime work on its own stack.
package main

import (
	"fmt"
	"os"
	"runtime"
	"strconv"
	"time"
)

var sink uint64

//go:noinline
func burn(steps int) uint64 {
	var room [32]uint64
	for i := 0; i < steps; i++ {
		room[i&31] += sink + uint64(i)
		if room[i&31] == 1<<63 {
			fmt.Println(room)
		}
	}
	return room[7]
}

//go:noinline
func descend(n, steps int) uint64 {
	if n > 1 {
		return descend(n-1, steps) + 1
	}
	return burn(steps) + 1
}

func worker() {
	for {
		sink += descend(10, 1000000)
	}
}

//go:noinline
func trace(n int, text []byte) int {
	if n > 1 {
		return trace(n-1, text) + 1
	}
	return runtime.Stack(text, false)
}

func tracer() {
	text := make([]byte, 4096)
	for {
		sink += uint64(trace(5, text))
	}
}

func main() {
	seconds := 60
	if len(os.Args) > 1 {
		seconds, _ = strconv.Atoi(os.Args[1])
	}
	go worker()
	go tracer()
	fmt.Println("ready")
	time.Sleep(time.Duration(seconds) * time.Second)
}
