// SPDX-License-Identifier: MIT

// goserver serves net/http/pprof on a free port of the loopback, prints its address, and burns.
package main

import (
	"fmt"
	"net"
	"net/http"
	_ "net/http/pprof"
)

var sink uint64

//go:noinline
func burnHere() {
	for i := uint64(0); ; i++ {
		sink = sink*3 + i
	}
}

func main() {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		panic(err)
	}
	go burnHere()
	fmt.Println(listener.Addr())
	panic(http.Serve(listener, nil))
}
