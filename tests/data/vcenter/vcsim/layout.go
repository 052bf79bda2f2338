// What a deployment needs and the simulator's own model lacks: names that a catalog speaks of, and templates.
package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path"
	"strings"

	"github.com/vmware/govmomi"
	"github.com/vmware/govmomi/find"
	"github.com/vmware/govmomi/object"
	"github.com/vmware/govmomi/simulator"
	"github.com/vmware/govmomi/vim25/types"
)

// made are the folders of the datastores, to be removed at the end.
var made []string

// layout is the content of the file given by -layout. The first cluster of the model gets this name; datastores, folders,
// networks and templates are made.
type layout struct {
	Cluster        string     `json:"cluster"`
	Datastores     []string   `json:"datastores"`
	Networks       []string   `json:"networks"`
	Folders        []string   `json:"folders"`
	TemplateFolder string     `json:"template_folder"`
	Templates      []template `json:"templates"`
	VgpuProfiles   []string   `json:"vgpu_profiles"`
}

type template struct {
	Name      string `json:"name"`
	GuestID   string `json:"guest_id"`
	Firmware  string `json:"firmware"`
	CPU       int32  `json:"cpu"`
	MemoryMiB int64  `json:"memory_mib"`
	DiskGiB   int64  `json:"disk_gib"`
}

func readLayout(file string) (*layout, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	l := new(layout)
	return l, json.Unmarshal(text, l)
}

// offerGPUs lets every host offer the profiles; the simulator has no method that would.
func (l *layout) offerGPUs(m *simulator.Model) {
	for _, entity := range m.Map().All("HostSystem") {
		host := entity.(*simulator.HostSystem)
		if host.Config == nil {
			host.Config = new(types.HostConfigInfo)
		}
		for _, profile := range l.VgpuProfiles {
			offered := types.HostSharedGpuCapabilities{Vgpu: profile, SuspendSupported: true}
			host.Config.SharedGpuCapabilities = append(host.Config.SharedGpuCapabilities, offered)
		}
	}
}

// apply lays everything out in the first data centre, by the simulator's own API.
func (l *layout) apply(ctx context.Context, c *govmomi.Client) error {
	finder := find.NewFinder(c.Client)
	dc, err := finder.DefaultDatacenter(ctx)
	if err != nil {
		return err
	}
	finder.SetDatacenter(dc)
	folders, err := dc.Folders(ctx)
	if err != nil {
		return err
	}
	for _, step := range []func() error{
		func() error { return l.rename(ctx, c, finder) },
		func() error { return l.addDatastores(ctx, finder) },
		func() error { return l.addNetworks(ctx, finder) },
		func() error { return l.addFolders(ctx, folders.VmFolder, dc.InventoryPath) },
		func() error { return l.addTemplates(ctx, finder, dc.InventoryPath) },
	} {
		if err := step(); err != nil {
			return err
		}
	}
	return nil
}

func (l *layout) rename(ctx context.Context, c *govmomi.Client, finder *find.Finder) error {
	clusters, err := finder.ClusterComputeResourceList(ctx, "*")
	if err != nil {
		return err
	}
	return rename(ctx, c, clusters[0].Common, l.Cluster)
}

// addDatastores makes local ones with a folder each, the same on every host.
func (l *layout) addDatastores(ctx context.Context, finder *find.Finder) error {
	hosts, err := finder.HostSystemList(ctx, "*/*")
	if err != nil {
		return err
	}
	for _, name := range l.Datastores {
		dir, err := os.MkdirTemp("", "vcsim-"+name+"-")
		if err != nil {
			return err
		}
		made = append(made, dir)
		for _, host := range hosts {
			system, err := host.ConfigManager().DatastoreSystem(ctx)
			if err != nil {
				return err
			}
			if _, err := system.CreateLocalDatastore(ctx, name, dir); err != nil {
				return fmt.Errorf("datastore %s: %w", name, err)
			}
		}
	}
	return nil
}

func rename(ctx context.Context, c *govmomi.Client, entity object.Common, name string) error {
	res, err := object.NewCommon(c.Client, entity.Reference()).Rename(ctx, name)
	if err != nil {
		return err
	}
	return res.Wait(ctx)
}

func (l *layout) addNetworks(ctx context.Context, finder *find.Finder) error {
	switches, err := finder.NetworkList(ctx, "DVS0")
	if err != nil {
		return err
	}
	dvs, ok := switches[0].(*object.DistributedVirtualSwitch)
	if !ok {
		return fmt.Errorf("DVS0 is a %T", switches[0])
	}
	var specs []types.DVPortgroupConfigSpec
	for _, name := range l.Networks {
		specs = append(specs, types.DVPortgroupConfigSpec{Name: name, Type: "earlyBinding", NumPorts: 256})
	}
	task, err := dvs.AddPortgroup(ctx, specs)
	if err != nil {
		return err
	}
	return task.Wait(ctx)
}

func (l *layout) addFolders(ctx context.Context, root *object.Folder, dc string) error {
	folders := map[string]*object.Folder{"": root}
	for _, wanted := range append(append([]string{}, l.Folders...), l.TemplateFolder) {
		at := ""
		for _, name := range strings.Split(wanted, "/") {
			parent := folders[at]
			at = path.Join(at, name)
			if folders[at] != nil {
				continue
			}
			folder, err := parent.CreateFolder(ctx, name)
			if err != nil {
				return fmt.Errorf("folder %s: %w", at, err)
			}
			folder.InventoryPath = path.Join(dc, "vm", at)
			folders[at] = folder
		}
	}
	return nil
}

func (l *layout) addTemplates(ctx context.Context, finder *find.Finder, dc string) error {
	folder, err := finder.Folder(ctx, path.Join(dc, "vm", l.TemplateFolder))
	if err != nil {
		return err
	}
	pool, err := finder.ResourcePool(ctx, path.Join(dc, "host", l.Cluster, "Resources"))
	if err != nil {
		return err
	}
	network, err := finder.Network(ctx, l.Networks[0])
	if err != nil {
		return err
	}
	card, err := network.EthernetCardBackingInfo(ctx)
	if err != nil {
		return err
	}
	for _, t := range l.Templates {
		if err := t.add(ctx, folder, pool, card, l.Datastores[0]); err != nil {
			return fmt.Errorf("template %s: %w", t.Name, err)
		}
	}
	return nil
}

func (t template) add(ctx context.Context, folder *object.Folder, pool *object.ResourcePool,
	card types.BaseVirtualDeviceBackingInfo, store string) error {
	var devices object.VirtualDeviceList
	scsi, err := devices.CreateSCSIController("pvscsi")
	if err != nil {
		return err
	}
	devices = append(devices, scsi)
	controller, err := devices.FindDiskController("")
	if err != nil {
		return err
	}
	disk := devices.CreateDisk(controller, types.ManagedObjectReference{}, "")
	disk.CapacityInKB = t.DiskGiB * 1024 * 1024
	nic, err := devices.CreateEthernetCard("vmxnet3", card)
	if err != nil {
		return err
	}
	devices = append(devices, disk, nic)
	change, err := devices.ConfigSpec(types.VirtualDeviceConfigSpecOperationAdd)
	if err != nil {
		return err
	}
	task, err := folder.CreateVM(ctx, types.VirtualMachineConfigSpec{
		Name: t.Name, GuestId: t.GuestID, Firmware: t.Firmware, NumCPUs: t.CPU, MemoryMB: t.MemoryMiB,
		Files: &types.VirtualMachineFileInfo{VmPathName: "[" + store + "]"}, DeviceChange: change,
	}, pool, nil)
	if err != nil {
		return err
	}
	info, err := task.WaitForResult(ctx)
	if err != nil {
		return err
	}
	vm := object.NewVirtualMachine(folder.Client(), info.Result.(types.ManagedObjectReference))
	return vm.MarkAsTemplate(ctx)
}
