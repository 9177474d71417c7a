package main

import (
	"fmt"
	"net"
	"os"
	"runtime"
	"strconv"
	"sync"
	"time"
)

// untilInputEnds blocks until the runner is gone.
func untilInputEnds() {
	// The runner never writes: this returns at the end of the input.
	_, _ = os.Stdin.Read(make([]byte, 1))
	os.Exit(0)
}

// echo: a server with one goroutine a connection, beside one that computes 5 ms between yields if the first argument is
// "hog". The second is how many bytes are read at once.
func echo(arguments []string) {
	hog := len(arguments) > 0 && arguments[0] == "hog"
	size := 4096
	if len(arguments) > 1 {
		n, err := strconv.Atoi(arguments[1])
		if err != nil {
			fail(err.Error())
		}
		size = n
	}
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
			go serve(connection, size)
		}
	}()
	fmt.Println(listener.Addr())
	untilInputEnds()
}

// serve echoes until the connection ends. Go sets TCP_NODELAY by itself.
func serve(connection net.Conn, size int) {
	defer connection.Close()
	buffer := make([]byte, size)
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

// udp: echoes datagrams on one socket.
func udp() {
	socket, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		fail(err.Error())
	}
	go func() {
		buffer := make([]byte, 2048)
		for {
			n, from, err := socket.ReadFromUDPAddrPort(buffer)
			if err != nil {
				fail(err.Error())
			}
			_, _ = socket.WriteToUDPAddrPort(buffer[:n], from)
		}
	}()
	fmt.Println(socket.LocalAddr())
	untilInputEnds()
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
