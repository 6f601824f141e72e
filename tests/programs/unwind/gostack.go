// SPDX-License-Identifier: MIT

// gostack SECONDS burns in a goroutine, some frames below its root.
package main

import (
	"fmt"
	"os"
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

func main() {
	seconds := 60
	if len(os.Args) > 1 {
		seconds, _ = strconv.Atoi(os.Args[1])
	}
	go worker()
	fmt.Println("ready")
	time.Sleep(time.Duration(seconds) * time.Second)
}
