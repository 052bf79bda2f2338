// A record of what reached the simulator, for tests that check requests whose effect it cannot show.
package main

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"os"
	"regexp"
	"sync"
)

var method = regexp.MustCompile(`<(?:[\w-]+:)?Body[^>]*>\s*<(?:[\w-]+:)?(\w+)`)

// record appends each SOAP request that next is about to get to file, one JSON document a line; a login without its body.
func record(next http.Handler, file *os.File) http.Handler {
	var one sync.Mutex
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		r.Body = io.NopCloser(bytes.NewReader(body))
		if found := method.FindSubmatch(body); found != nil {
			line := map[string]string{"method": string(found[1]), "body": string(body)}
			if line["method"] == "Login" {
				delete(line, "body")
			}
			one.Lock()
			err = json.NewEncoder(file).Encode(line)
			one.Unlock()
			if err != nil {
				http.Error(w, err.Error(), http.StatusInternalServerError)
				return
			}
		}
		next.ServeHTTP(w, r)
	})
}
