// rate posts a body at a fixed rate, and measures each answer from when its request was to be sent.
//
// A request is due at its time whether or not earlier ones have been answered (an open loop). If no connection is free it
// waits, and its latency has the wait: a slow answer does not hide that others were late because of it.
package main

import (
	"bytes"
	"crypto/tls"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"net/http"
	"os"
	"slices"
	"sync"
	"time"
)

type result struct {
	Requests int     `json:"requests"`
	Errors   int     `json:"errors"`
	Seconds  float64 `json:"seconds"`
	P50      float64 `json:"p50"` // of latencies, in milliseconds
	P99      float64 `json:"p99"`
	Bytes    int64   `json:"bytes"` // of all answers
}

func main() {
	url := flag.String("url", "", "where to post")
	file := flag.String("body", "", "the file with what to post")
	rate := flag.Float64("rate", 100, "requests a second")
	connections := flag.Int("connections", 8, "connections")
	seconds := flag.Float64("seconds", 5, "how long")
	flag.Parse()
	body, err := os.ReadFile(*file)
	if err != nil || *url == "" || *rate <= 0 || *connections <= 0 {
		fmt.Fprintln(os.Stderr, "rate: -url, -body, -rate and -connections are needed:", err)
		os.Exit(2)
	}
	json.NewEncoder(os.Stdout).Encode(run(*url, body, *rate, *connections, *seconds))
}

func run(url string, body []byte, rate float64, connections int, seconds float64) result {
	number := int(rate * seconds)
	due := make(chan time.Time, number) // so that whoever says what is due never waits
	latencies := make([][]time.Duration, connections)
	errors, read := make([]int, connections), make([]int64, connections)
	var ready, done sync.WaitGroup
	begin := make(chan struct{})
	for worker := range connections {
		ready.Add(1)
		done.Add(1)
		go func() {
			defer done.Done()
			client := client()
			post(client, url, body) // opens the connection
			ready.Done()
			<-begin
			for intended := range due {
				size, ok := post(client, url, body)
				read[worker] += size
				if !ok {
					errors[worker]++
				}
				latencies[worker] = append(latencies[worker], time.Since(intended))
			}
		}()
	}
	ready.Wait()
	close(begin)
	start := time.Now()
	for each := range number {
		intended := start.Add(time.Duration(float64(each) / rate * float64(time.Second)))
		time.Sleep(time.Until(intended))
		due <- intended
	}
	close(due)
	done.Wait()
	taken := time.Since(start).Seconds()
	all := slices.Concat(latencies...)
	slices.Sort(all)
	found := result{Requests: len(all), Seconds: taken, P50: at(all, 0.5), P99: at(all, 0.99)}
	for worker := range connections {
		found.Errors += errors[worker]
		found.Bytes += read[worker]
	}
	return found
}

func client() *http.Client {
	transport := &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}, MaxConnsPerHost: 1}
	return &http.Client{Transport: transport, Timeout: 10 * time.Second}
}

// post returns the size of the answer, and whether it was 200.
func post(client *http.Client, url string, body []byte) (int64, bool) {
	answer, err := client.Post(url, "application/json", bytes.NewReader(body))
	if err != nil {
		return 0, false
	}
	defer answer.Body.Close()
	size, err := io.Copy(io.Discard, answer.Body)
	return size, err == nil && answer.StatusCode == http.StatusOK
}

func at(sorted []time.Duration, share float64) float64 {
	if len(sorted) == 0 {
		return 0
	}
	return float64(sorted[min(int(share*float64(len(sorted))), len(sorted)-1)]) / float64(time.Millisecond)
}
