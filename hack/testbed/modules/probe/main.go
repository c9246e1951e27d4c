// What the test bed's own test runs in pods: `probe serve TEXT` answers every request on port 8080 with the
// text and the GPUs of its container, `probe get URL` prints the answer of another server, whoever signed its certificate.
package main

import (
	"crypto/tls"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"
)

func main() {
	if len(os.Args) != 3 {
		fmt.Fprintln(os.Stderr, "usage: probe serve TEXT | probe get URL")
		os.Exit(2)
	}
	if os.Args[1] == "serve" {
		serve(os.Args[2])
		return
	}
	if err := get(os.Args[2]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func serve(text string) {
	go func() {
		err := http.ListenAndServe(":8080", http.HandlerFunc(func(answer http.ResponseWriter, _ *http.Request) {
			fmt.Fprintln(answer, text, os.Getenv("NVIDIA_VISIBLE_DEVICES"))
		}))
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}()
	fmt.Println("serving", text)
	stop := make(chan os.Signal, 1)
	signal.Notify(stop, syscall.SIGTERM) // the first process of a container gets no default handler
	<-stop
}

func get(url string) error {
	client := http.Client{
		Timeout:   3 * time.Second,
		Transport: &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}},
	}
	answer, err := client.Get(url)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	_, err = io.Copy(os.Stdout, answer.Body)
	return err
}
