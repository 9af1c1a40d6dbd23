package redisdtest

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/redis/go-redis/v9"
)

// hashSlots is the number of hash slots of a Redis Cluster.
const hashSlots = 16384

// MasterName is what the Sentinels call their master.
const MasterName = "hearth"

// Failover is a master and its replicas, watched by three Sentinels that replace a master which was away for
// half a second.
type Failover struct {
	Nodes     []*Node // the first one was the master at the start
	Sentinels []*Node
	URL       string
}

// Sentinel starts a master, two replicas and three Sentinels. They end with the test.
func Sentinel(t testing.TB, args ...string) *Failover {
	t.Helper()
	Need(t)
	f, err := StartSentinel(t.TempDir(), args...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(f.Stop)
	return f
}

// StartSentinel is Sentinel for callers that stop it themselves.
func StartSentinel(dir string, args ...string) (*Failover, error) {
	addresses, err := freeAddresses(6)
	if err != nil {
		return nil, err
	}
	f := &Failover{URL: "redis+sentinel://" + strings.Join(addresses[3:], ",") + "/0?master=" + MasterName}
	for i, address := range addresses[:3] {
		all := args
		if i > 0 {
			all = append([]string{"--replicaof", "127.0.0.1 " + portOf(addresses[0])}, args...)
		}
		n, err := startServer(filepath.Join(dir, fmt.Sprint("server", i)), address, all...)
		if err != nil {
			f.Stop()
			return nil, err
		}
		f.Nodes = append(f.Nodes, n)
	}
	for i, address := range addresses[3:] {
		n, err := startSentinel(filepath.Join(dir, fmt.Sprint("sentinel", i)), address, addresses[0])
		if err != nil {
			f.Stop()
			return nil, err
		}
		f.Sentinels = append(f.Sentinels, n)
	}
	if err := Until("the Sentinels know each other", f.settled); err != nil {
		f.Stop()
		return nil, err
	}
	return f, nil
}

func startSentinel(dir, address, master string) (*Node, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	file := filepath.Join(dir, "sentinel.conf") // Sentinel writes to it
	conf := fmt.Sprintf("bind 127.0.0.1\nport %[1]s\nsentinel monitor %[2]s 127.0.0.1 %[3]s 2\n"+
		"sentinel down-after-milliseconds %[2]s 500\nsentinel failover-timeout %[2]s 1500\nsentinel parallel-syncs %[2]s 2\n",
		portOf(address), MasterName, portOf(master))
	if err := os.WriteFile(file, []byte(conf), 0o600); err != nil {
		return nil, err
	}
	n, err := start(dir, address, file, "--sentinel")
	if err != nil {
		return nil, err
	}
	// The Sentinels tell each other what they see every two seconds, which is long for a test. Redis before 7
	// cannot be hurried.
	for _, period := range []string{"info-period", "publish-period", "ping-period", "ask-period"} {
		_ = n.Do(context.Background(), "sentinel", "debug", period, "100").Err()
	}
	return n, nil
}

// settled tells whether each Sentinel sees the replicas and the other Sentinels, and the replicas are in step.
func (f *Failover) settled(ctx context.Context) error {
	for _, s := range f.Sentinels {
		fields, err := s.Do(ctx, "sentinel", "master", MasterName).StringSlice()
		if err != nil {
			return err
		}
		seen := map[string]string{}
		for i := 0; i+1 < len(fields); i += 2 {
			seen[fields[i]] = fields[i+1]
		}
		if replicas, others := seen["num-slaves"], seen["num-other-sentinels"]; replicas != "2" || others != "2" {
			return fmt.Errorf("%s sees %s replicas and %s other Sentinels", s.Addr, replicas, others)
		}
	}
	return inStep(ctx, f.Nodes[0], 2)
}

// inStep tells whether a master has this many replicas that were filled.
func inStep(ctx context.Context, master *Node, replicas int) error {
	info, err := master.Info(ctx, "replication").Result()
	if n := strings.Count(info, "state=online"); err == nil && n < replicas {
		err = fmt.Errorf("%d of %d replicas are in step", n, replicas)
	}
	return err
}

// Master returns the node that most Sentinels call the master.
func (f *Failover) Master(ctx context.Context) (*Node, error) {
	votes := map[string]int{}
	for _, s := range f.Sentinels {
		address, err := s.Do(ctx, "sentinel", "get-master-addr-by-name", MasterName).StringSlice()
		if err == nil && len(address) == 2 {
			votes[address[0]+":"+address[1]]++
		}
	}
	for _, n := range f.Nodes {
		if votes[n.Addr] > len(f.Sentinels)/2 {
			return n, nil
		}
	}
	return nil, fmt.Errorf("the Sentinels do not agree: %v", votes)
}

// Stop ends all processes.
func (f *Failover) Stop() { stop(f.Sentinels, f.Nodes) }

// Sharded is a Redis Cluster whose nodes replace a master that was away for a second.
type Sharded struct {
	Nodes []*Node // the masters first
	URL   string
}

// Cluster starts a cluster of three masters, each with so many replicas. It ends with the test.
func Cluster(t testing.TB, replicas int, args ...string) *Sharded {
	t.Helper()
	Need(t)
	c, err := StartCluster(t.TempDir(), replicas, args...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Stop)
	return c
}

// StartCluster is Cluster for callers that stop it themselves.
func StartCluster(dir string, replicas int, args ...string) (*Sharded, error) {
	const masters = 3
	count := masters * (1 + replicas)
	addresses, err := freeAddresses(2 * count) // one each for clients and for the other nodes
	if err != nil {
		return nil, err
	}
	c := &Sharded{URL: "redis+cluster://" + strings.Join(addresses[:masters], ",")}
	for i, address := range addresses[:count] {
		n, err := startServer(filepath.Join(dir, fmt.Sprint("node", i)), address, append([]string{
			"--cluster-enabled", "yes", "--cluster-port", portOf(addresses[count+i]), "--cluster-node-timeout", "1000",
			"--cluster-config-file", "nodes.conf",
		}, args...)...)
		if err != nil {
			c.Stop()
			return nil, err
		}
		c.Nodes = append(c.Nodes, n)
	}
	if err := c.form(context.Background(), masters, addresses[count:]); err != nil {
		c.Stop()
		return nil, err
	}
	return c, nil
}

// form makes the nodes a cluster, by the commands that redis-cli --cluster create sends.
func (c *Sharded) form(ctx context.Context, masters int, buses []string) error {
	for i, n := range c.Nodes {
		if err := n.Do(ctx, "cluster", "set-config-epoch", i+1).Err(); err != nil {
			return err
		}
		if i < masters {
			if err := n.ClusterAddSlotsRange(ctx, i*hashSlots/masters, (i+1)*hashSlots/masters-1).Err(); err != nil {
				return err
			}
		}
		if err := c.Nodes[0].Do(ctx, "cluster", "meet", "127.0.0.1", portOf(n.Addr), portOf(buses[i])).Err(); err != nil {
			return err
		}
	}
	for i, n := range c.Nodes[masters:] {
		id, err := c.Nodes[i%masters].Do(ctx, "cluster", "myid").Text()
		if err != nil {
			return err
		}
		follow := func(ctx context.Context) error { return n.Do(ctx, "cluster", "replicate", id).Err() }
		if err := Until(n.Addr+" knows its master", follow); err != nil {
			return err
		}
	}
	return Until("the cluster is formed", func(ctx context.Context) error { return c.formed(ctx, masters) })
}

func (c *Sharded) formed(ctx context.Context, masters int) error {
	for i, n := range c.Nodes {
		info, err := n.ClusterInfo(ctx).Result()
		if err != nil {
			return err
		}
		if !strings.Contains(info, "cluster_state:ok") || !strings.Contains(info, fmt.Sprintf("cluster_known_nodes:%d\r", len(c.Nodes))) {
			return fmt.Errorf("%s says %.60q", n.Addr, info)
		}
		shards, err := n.ClusterShards(ctx).Result()
		if err != nil {
			return err
		}
		for _, s := range shards {
			if len(s.Nodes) != len(c.Nodes)/masters {
				return fmt.Errorf("%s sees %d nodes for the slots %v", n.Addr, len(s.Nodes), s.Slots)
			}
		}
		if i < masters {
			if err := inStep(ctx, n, len(c.Nodes)/masters-1); err != nil {
				return err
			}
		}
	}
	return nil
}

// Master returns the node that holds a key, as the nodes see it that answer.
func (c *Sharded) Master(ctx context.Context, key string) (*Node, error) {
	var last error
	for _, n := range c.Nodes {
		slot, err := n.ClusterKeySlot(ctx, key).Result()
		if err != nil {
			last = err
			continue
		}
		shards, err := n.ClusterShards(ctx).Result()
		if err != nil {
			last = err
			continue
		}
		for _, s := range shards {
			holds := slices.ContainsFunc(s.Slots, func(r redis.SlotRange) bool { return r.Start <= slot && slot <= r.End })
			for _, node := range s.Nodes {
				if holds && node.Role == "master" && node.Health == "online" {
					return c.at(fmt.Sprintf("%s:%d", node.IP, node.Port))
				}
			}
		}
	}
	return nil, fmt.Errorf("nobody holds %s: %w", key, last)
}

func (c *Sharded) at(address string) (*Node, error) {
	for _, n := range c.Nodes {
		if n.Addr == address {
			return n, nil
		}
	}
	return nil, fmt.Errorf("%s is not of the cluster", address)
}

// Stop ends all processes.
func (c *Sharded) Stop() { stop(c.Nodes) }

func stop(groups ...[]*Node) {
	for _, nodes := range groups {
		for _, n := range nodes {
			n.Stop()
		}
	}
}
