// What VMware Tools would report of a guest's first address.
package main

import (
	"bytes"
	"context"
	"io"
	"log"
	"net/http"
	"net/netip"
	"regexp"
	"sync"
	"time"

	"github.com/vmware/govmomi"
	"github.com/vmware/govmomi/object"
	"github.com/vmware/govmomi/property"
	"github.com/vmware/govmomi/view"
	"github.com/vmware/govmomi/vim25/mo"
	"github.com/vmware/govmomi/vim25/types"
)

var (
	cloneName = regexp.MustCompile(`(?s)<(?:[\w-]+:)?CloneVM_Task.*?</(?:[\w-]+:)?folder>\s*<(?:[\w-]+:)?name[^>]*>([^<]+)<`)
	fixedIP   = regexp.MustCompile(`<(?:[\w-]+:)?ip [^>]*type="(?:[\w-]+:)?CustomizationFixedIp"[^>]*>\s*<(?:[\w-]+:)?ipAddress[^>]*>([^<]+)<`)
)

// fixed holds the first fixed address of each clone's customization, by the clone's name. The release drops a
// customization whose adapters are not those of the template ("NicSettingMismatch").
var fixed sync.Map

// noteAddresses remembers which fixed addresses clones are given.
func noteAddresses(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		r.Body = io.NopCloser(bytes.NewReader(body))
		name, ip := cloneName.FindSubmatch(body), fixedIP.FindSubmatch(body)
		if name != nil && ip != nil {
			fixed.Store(string(name[1]), string(ip[1]))
		}
		next.ServeHTTP(w, r)
	})
}

// roundsWithout is how often in a row a machine has to be seen without an address before it gets one: a customization
// with a fixed address comes a moment after the machine is switched on.
const roundsWithout = 5

// serveAddresses gives each machine that is switched on and stays without an address its fixed one, or one of the
// network, as a DHCP server would.
func serveAddresses(ctx context.Context, c *govmomi.Client, network netip.Prefix) {
	pc := property.DefaultCollector(c.Client)
	vms, err := view.NewManager(c.Client).CreateContainerView(ctx, c.ServiceContent.RootFolder, []string{"VirtualMachine"}, true)
	if err != nil {
		log.Fatal(err)
	}
	next := network.Addr()
	seen := map[types.ManagedObjectReference]int{}
	for range time.Tick(200 * time.Millisecond) {
		var rows []mo.VirtualMachine
		var refs mo.ContainerView
		// A machine may be destroyed between the two reads: the next round sees the rest.
		if pc.RetrieveOne(ctx, vms.Reference(), []string{"view"}, &refs) != nil || len(refs.View) == 0 {
			continue
		}
		if pc.Retrieve(ctx, refs.View, []string{"name", "runtime.powerState", "guest.ipAddress"}, &rows) != nil {
			continue
		}
		for _, row := range rows {
			on := row.Runtime.PowerState == types.VirtualMachinePowerStatePoweredOn
			if !on || (row.Guest != nil && row.Guest.IpAddress != "") {
				delete(seen, row.Self)
				continue
			}
			if seen[row.Self]++; seen[row.Self] < roundsWithout {
				continue
			}
			address := types.OptionValue{Key: "SET.guest.ipAddress"}
			if ip, ok := fixed.Load(row.Name); ok {
				address.Value = ip
			} else {
				next = next.Next()
				address.Value = next.String()
			}
			task, err := object.NewVirtualMachine(c.Client, row.Self).Reconfigure(ctx,
				types.VirtualMachineConfigSpec{ExtraConfig: []types.BaseOptionValue{&address}})
			if err == nil {
				err = task.Wait(ctx)
			}
			if err != nil {
				log.Printf("no address for %s: %v", row.Self.Value, err)
			}
		}
	}
}
