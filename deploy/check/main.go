// Command check reads what an operator of a cluster copies from deploy, and says what is wrong
// with it: the Kubernetes manifests, the Compose file, the Grafana dashboard.
//
//	cd deploy/check && go run . ..
//
// It needs no cluster and no network. The schemas are those of the Go types of Kubernetes, of
// the Prometheus Operator and of Grafana, and the one that the Compose specification publishes. It is a
// module of its own: tlslift itself needs none of this.
package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
)

func main() { os.Exit(run(os.Args[1:])) }

func run(args []string) int {
	if len(args) != 1 {
		fmt.Fprintln(os.Stderr, "usage: check DIRECTORY, which is deploy")
		return 64
	}
	deploy := args[0]
	all := errors.Join(
		checkCluster(filepath.Join(deploy, "kubernetes", "load-balancer")),
		checkCluster(filepath.Join(deploy, "kubernetes", "node-network")),
		checkCompose(filepath.Join(deploy, "compose", "compose.yaml")),
		checkDashboard(filepath.Join(deploy, "grafana", "dashboard.json")),
	)
	if all != nil {
		fmt.Fprintln(os.Stderr, all)
		return 1
	}
	fmt.Println("manifests, Compose file and dashboard are as their schemas want them")
	return 0
}
