// SPDX-License-Identifier: MIT

// gocgo SECONDS burns in C functions that a goroutine calls.
package main

/*
static unsigned long sink;

__attribute__((noipa)) void c_burn(unsigned long steps)
{
	for (unsigned long i = 0; i < steps; i++)
		__asm__ volatile("" : "+r"(i));
	sink++;
}

__attribute__((noipa)) void c_middle(unsigned long steps)
{
	char room[100];

	__asm__ volatile("" : : "r"(room) : "memory");
	c_burn(steps);
	__asm__ volatile("" : : "r"(room) : "memory");
}
*/
import "C"

import (
	"fmt"
	"os"
	"strconv"
	"time"
)

//go:noinline
func callC(steps uint64) {
	C.c_middle(C.ulong(steps))
}

func worker() {
	for {
		callC(1000000)
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
