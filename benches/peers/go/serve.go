package main

import (
	"fmt"
	"net"
	"os"
	"runtime"
	"sync"
	"time"
)

// untilInputEnds blocks until the runner is gone.
func untilInputEnds() {
	// The runner never writes: this returns at the end of the input.
	_, _ = os.Stdin.Read(make([]byte, 1))
	os.Exit(0)
}

// echo: a server with one goroutine a connection, beside one that computes 5 ms between yields if asked.
func echo(hog bool) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		fail(err.Error())
	}
	if hog {
		go func() {
			for {
				compute(5 * time.Millisecond)
				runtime.Gosched()
			}
		}()
	}
	go func() {
		for {
			connection, err := listener.Accept()
			if err != nil {
				fail(err.Error())
			}
			go serve(connection)
		}
	}()
	fmt.Println(listener.Addr())
	untilInputEnds()
}

// serve echoes until the connection ends. Go sets TCP_NODELAY by itself.
func serve(connection net.Conn) {
	defer connection.Close()
	buffer := make([]byte, 4096)
	for {
		n, err := connection.Read(buffer)
		if err != nil {
			return
		}
		if _, err := connection.Write(buffer[:n]); err != nil {
			return
		}
	}
}

// idle: a runtime that has worked and now has nothing to do.
func idle() {
	var wg sync.WaitGroup
	wg.Add(1000)
	for i := 0; i < 1000; i++ {
		go wg.Done()
	}
	wg.Wait()
	for i := 0; i < 10; i++ {
		go func() {
			select {}
		}()
	}
	fmt.Println("idle")
	untilInputEnds()
}
