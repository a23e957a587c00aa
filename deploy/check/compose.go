package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/compose-spec/compose-go/v2/cli"
	"github.com/compose-spec/compose-go/v2/types"
	"github.com/sirupsen/logrus"
)

// checkCompose reads a Compose file as an engine does, with values for what .env has, and looks whether the
// files that it mounts are there: an engine makes a directory of one that is not.
func checkCompose(path string) error {
	options, err := cli.NewProjectOptions([]string{path}, cli.WithDefaultProfiles("*"),
		cli.WithEnv([]string{"ADDRESS=192.0.2.1", "CLIENT_NETS=192.0.2.0/24", "GRAFANA_PASSWORD=x"}))
	if err != nil {
		return fmt.Errorf("reading %s: %w", path, err)
	}
	project, err := options.LoadProject(context.Background())
	if err != nil {
		return fmt.Errorf("reading %s: %w", path, err)
	}
	var errs []error
	for name, service := range project.Services {
		for _, v := range service.Volumes {
			if v.Type != types.VolumeTypeBind {
				continue
			}
			if _, err := os.Stat(v.Source); err != nil {
				errs = append(errs, fmt.Errorf("%s: %s: %w", path, name, err))
			}
		}
		for _, p := range service.Ports {
			if p.HostIP == "" || p.HostIP == "0.0.0.0" {
				errs = append(errs, fmt.Errorf("%s: %s: port %d is open to everybody", path, name, p.Target))
			}
		}
	}
	errs = append(errs, checkNetworks(path, project.Services))
	// Without a value that has no default, it must not start.
	logrus.SetOutput(io.Discard)
	options.Environment = types.Mapping{}
	if _, err := options.LoadProject(context.Background()); err == nil {
		errs = append(errs, fmt.Errorf("%s: starts without ADDRESS", path))
	}
	return errors.Join(errs...)
}

// checkNetworks looks whether only Prometheus can reach the admin address of tlslift, which asks for no password.
func checkNetworks(path string, services types.Services) error {
	var errs []error
	for name, service := range services {
		if name == "tlslift" || name == "prometheus" {
			continue
		}
		for network := range service.Networks {
			if _, shared := services["tlslift"].Networks[network]; shared {
				errs = append(errs, fmt.Errorf("%s: %s is in the network %s of tlslift, and can read its admin address", path, name, network))
			}
		}
	}
	return errors.Join(errs...)
}
