// vcsim: govmomi's vCenter simulator as Causeway's tests start it.
//
// govmomi publishes the simulator as a package; since v0.47 its own vcsim command is a nested module
// that the Go module proxy does not serve, and the releases before that drop the CPU, memory and
// extraConfig of a clone. So this is the smallest command around the package of the pinned release.
//
// The first line on standard output is the address of the SDK, e.g. https://127.0.0.1:40123/sdk.
//
// With -repair (the default) three defects of the release are mended on the way out, because real
// clients (pyVmomi, the Ansible modules on it) stumble over them: enums that are unset are written as
// empty elements, Fetch of an unset property answers with the wrong response element, and a disk's
// I/O allocation has no shares.
package main

import (
	"bytes"
	"context"
	"crypto/tls"
	"flag"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"os"
	"os/signal"
	"regexp"
	"strconv"
	"strings"
	"syscall"

	"github.com/vmware/govmomi"
	_ "github.com/vmware/govmomi/lookup/simulator"
	_ "github.com/vmware/govmomi/pbm/simulator"
	"github.com/vmware/govmomi/simulator"
	_ "github.com/vmware/govmomi/sts/simulator"
	_ "github.com/vmware/govmomi/vapi/simulator"
)

var blankEnum = regexp.MustCompile(`<(faultToleranceState|recordReplayState)></(faultToleranceState|recordReplayState)>`)

var noShares = []byte("<storageIOAllocation><limit>-1</limit></storageIOAllocation>")
var withShares = []byte("<storageIOAllocation><limit>-1</limit><shares><shares>1000</shares><level>normal</level></shares></storageIOAllocation>")

const emptyFetch = `<?xml version="1.0" encoding="UTF-8"?>
<soapenv:Envelope xmlns:soapenv="http://schemas.xmlsoap.org/soap/envelope/"><soapenv:Body><FetchResponse xmlns="urn:vim25"/></soapenv:Body></soapenv:Envelope>`

type kept struct {
	header http.Header
	status int
	body   bytes.Buffer
}

func (k *kept) Header() http.Header         { return k.header }
func (k *kept) WriteHeader(status int)      { k.status = status }
func (k *kept) Write(b []byte) (int, error) { return k.body.Write(b) }

// repair answers what next answers, without the defects.
func repair(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !strings.HasPrefix(r.URL.Path, "/sdk") || r.Method != http.MethodPost {
			next.ServeHTTP(w, r)
			return
		}
		asked, err := io.ReadAll(r.Body)
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		r.Body = io.NopCloser(bytes.NewReader(asked))
		k := &kept{header: http.Header{}, status: http.StatusOK}
		next.ServeHTTP(k, r)
		answer := blankEnum.ReplaceAll(k.body.Bytes(), nil)
		answer = bytes.ReplaceAll(answer, noShares, withShares)
		if bytes.Contains(asked, []byte("<Fetch ")) && bytes.Contains(answer, []byte("<RetrievePropertiesExResponse")) {
			answer = []byte(emptyFetch)
		}
		for name, values := range k.header {
			w.Header()[name] = values
		}
		w.Header().Set("Content-Length", strconv.Itoa(len(answer)))
		w.WriteHeader(k.status)
		_, _ = w.Write(answer)
	})
}

// taskDelays understands "CloneVm:3000,PowerOn:500" (milliseconds).
func taskDelays(text string) error {
	if text == "" {
		return nil
	}
	// Without this the entity stays locked for the whole delay and nothing can be read.
	delays := map[string]int{"LockHandoff": 0}
	for _, part := range strings.Split(text, ",") {
		name, ms, _ := strings.Cut(part, ":")
		n, err := strconv.Atoi(ms)
		if err != nil {
			return fmt.Errorf("task delay %q: %w", part, err)
		}
		delays[name] = n
	}
	simulator.TaskDelay.MethodDelay = delays
	return nil
}

// furnish lays out what is wanted and starts to serve addresses, by the simulator's own API at inner.
func furnish(inner *url.URL, wanted *layout, dhcp string) error {
	ctx := context.Background()
	client, err := govmomi.NewClient(ctx, inner, true)
	if err != nil {
		return err
	}
	if wanted != nil {
		if err := wanted.apply(ctx, client); err != nil {
			return err
		}
	}
	if dhcp == "" {
		return nil
	}
	network, err := netip.ParsePrefix(dhcp)
	if err != nil {
		return err
	}
	go serveAddresses(ctx, client, network)
	return nil
}

func main() {
	m := simulator.VPX()
	flag.IntVar(&m.Datacenter, "dc", m.Datacenter, "data centres")
	flag.IntVar(&m.Cluster, "cluster", m.Cluster, "clusters per data centre")
	flag.IntVar(&m.ClusterHost, "host", m.ClusterHost, "hosts per cluster")
	flag.IntVar(&m.Host, "standalone-host", m.Host, "stand-alone hosts per data centre")
	flag.IntVar(&m.Datastore, "ds", m.Datastore, "local datastores per data centre")
	flag.IntVar(&m.Machine, "vm", m.Machine, "virtual machines per resource pool")
	flag.IntVar(&m.Folder, "folder", m.Folder, "folders per kind")
	flag.IntVar(&m.Portgroup, "pg", m.Portgroup, "port groups per data centre")
	listen := flag.String("l", "127.0.0.1:0", "address to listen on")
	user := flag.String("username", "", "the only user name that is let in; empty: any")
	password := flag.String("password", "", "its password")
	version := flag.String("api-version", "8.0.2.0", "about.apiVersion")
	useTLS := flag.Bool("tls", true, "serve https")
	cert := flag.String("tlscert", "", "certificate file; empty: a self-signed one")
	key := flag.String("tlskey", "", "key file")
	delays := flag.String("task-delay", "", "e.g. CloneVm:3000, milliseconds")
	mend := flag.Bool("repair", true, "mend blank enums, Fetch of unset properties and I/O shares")
	layoutFile := flag.String("layout", "", "JSON file with names, networks, folders and templates to lay out (layout.go)")
	dhcp := flag.String("guest-dhcp", "", "network, e.g. 10.10.99.0/24, of the addresses that guests without one get")
	plain := flag.String("plain", "", "a second address to listen on, without TLS; its URL is the second line printed")
	recordFile := flag.String("record", "", "append each SOAP request to this file, as lines of JSON (record.go)")
	tied := flag.Bool("exit-with-stdin", false, "stop when standard input ends: dies with the test that started it")
	flag.Parse()

	if err := taskDelays(*delays); err != nil {
		log.Fatal(err)
	}
	var wanted *layout
	if *layoutFile != "" {
		var err error
		if wanted, err = readLayout(*layoutFile); err != nil {
			log.Fatal(err)
		}
		m.Machine, m.Host = 0, 0
	}
	m.ServiceContent.About.ApiVersion = *version
	m.ServiceContent.About.Version = "8.0.2"
	if err := m.Create(); err != nil {
		log.Fatal(err)
	}
	if wanted != nil {
		wanted.offerGPUs(m)
	}
	m.Service.RegisterEndpoints = true
	m.Service.Listen = &url.URL{Host: "127.0.0.1:0"}
	if *user != "" {
		m.Service.Listen.User = url.UserPassword(*user, *password)
	}
	m.Service.TLS = new(tls.Config)
	inner := m.Service.NewServer() // sets up the handlers and a self-signed certificate
	defer inner.Close()

	if wanted != nil || *dhcp != "" {
		if err := furnish(inner.URL, wanted, *dhcp); err != nil {
			log.Fatal(err)
		}
	}

	var handler http.Handler = m.Service.ServeMux
	if *mend {
		handler = repair(handler)
	}
	if *dhcp != "" {
		handler = noteAddresses(handler)
	}
	if *recordFile != "" {
		file, err := os.OpenFile(*recordFile, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
		if err != nil {
			log.Fatal(err)
		}
		handler = record(handler, file)
	}
	socket, err := net.Listen("tcp", *listen)
	if err != nil {
		log.Fatal(err)
	}
	server := &http.Server{Handler: handler, TLSConfig: inner.TLS}
	scheme := "https"
	if *useTLS {
		if *cert != "" {
			server.TLSConfig = nil
		}
		go func() { log.Fatal(server.ServeTLS(socket, *cert, *key)) }()
	} else {
		scheme = "http"
		go func() { log.Fatal(server.Serve(socket)) }()
	}
	fmt.Printf("%s://%s/sdk\n", scheme, socket.Addr())
	if *plain != "" {
		second, err := net.Listen("tcp", *plain)
		if err != nil {
			log.Fatal(err)
		}
		go func() { log.Fatal(http.Serve(second, handler)) }()
		fmt.Printf("http://%s/sdk\n", second.Addr())
	}

	stop := make(chan os.Signal, 1)
	signal.Notify(stop, syscall.SIGINT, syscall.SIGTERM)
	if *tied {
		go func() {
			_, _ = io.Copy(io.Discard, os.Stdin)
			stop <- syscall.SIGTERM
		}()
	}
	<-stop
	m.Remove()
	for _, dir := range made {
		_ = os.RemoveAll(dir)
	}
}
