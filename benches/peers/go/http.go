package main

import (
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"time"
)

// serveHTTP: net/http's server with what the http example answers at /, and its timeouts.
func serveHTTP() {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		fail(err.Error())
	}
	handler := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		_, _ = io.WriteString(w, "Hello from a green thread.\n")
	})
	server := http.Server{
		Handler:      handler,
		ReadTimeout:  30 * time.Second,
		IdleTimeout:  30 * time.Second,
		WriteTimeout: 30 * time.Second,
		ErrorLog:     log.New(io.Discard, "", 0),
	}
	go func() { fail(server.Serve(listener).Error()) }()
	fmt.Println(listener.Addr())
	untilInputEnds()
}

// accept: a server that closes each connection in a goroutine of its own.
func accept() {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		fail(err.Error())
	}
	go func() {
		for {
			connection, err := listener.Accept()
			if err != nil {
				fail(err.Error())
			}
			go connection.Close()
		}
	}()
	fmt.Println(listener.Addr())
	untilInputEnds()
}
