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

var (
	method = regexp.MustCompile(`<(?:[\w-]+:)?Body[^>]*>\s*<(?:[\w-]+:)?(\w+)`)
	// Those of a customization: <password>, <domainAdminPassword>, each with a <value> in it.
	passwords = regexp.MustCompile(`(?s)(<(?:[\w-]+:)?(?:password|domainAdminPassword)\b[^>]*>).*?(</(?:[\w-]+:)?(?:password|domainAdminPassword)>)`)
)

// record appends each SOAP request that next is about to get to file, one JSON document a line; passwords are left
// out.
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
			shown := passwords.ReplaceAll(body, []byte("$1$2"))
			line := map[string]string{"method": string(found[1]), "body": string(shown)}
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
