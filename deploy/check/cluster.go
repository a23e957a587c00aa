package main

import (
	"errors"
	"fmt"
	"slices"

	monitoring "github.com/prometheus-operator/prometheus-operator/pkg/apis/monitoring/v1"
	apps "k8s.io/api/apps/v1"
	autoscaling "k8s.io/api/autoscaling/v2"
	core "k8s.io/api/core/v1"
	networking "k8s.io/api/networking/v1"
	policy "k8s.io/api/policy/v1"
	meta "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/util/intstr"
	"sigs.k8s.io/kustomize/api/krusty"
	"sigs.k8s.io/kustomize/kyaml/filesys"
	"sigs.k8s.io/yaml"
)

// A cluster is what one kustomization makes.
type cluster struct {
	path       string
	template   core.PodTemplateSpec // of the one workload
	selector   *meta.LabelSelector
	services   []core.Service
	configMaps []core.ConfigMap
	selectors  map[string]*meta.LabelSelector // of pods, by who has them
	ports      map[string][]intstr.IntOrString
	errs       []error
}

func (c *cluster) wrong(format string, args ...any) {
	c.errs = append(c.errs, fmt.Errorf(c.path+": "+format, args...))
}

// checkCluster builds a kustomization, decodes each object strictly, and looks at what leads from
// one to another: a selector that finds no pod, and a port that no container has, are no
// mistakes to a schema.
func checkCluster(path string) error {
	built, err := krusty.MakeKustomizer(krusty.MakeDefaultOptions()).Run(filesys.MakeFsOnDisk(), path)
	if err != nil {
		return fmt.Errorf("building %s: %w", path, err)
	}
	c := &cluster{path: path, selectors: map[string]*meta.LabelSelector{}, ports: map[string][]intstr.IntOrString{}}
	for _, object := range built.Resources() {
		text, err := object.AsYAML()
		if err != nil {
			return fmt.Errorf("%s: %w", path, err)
		}
		if err := c.read(object.GetKind(), text); err != nil {
			c.wrong("%s %s: %w", object.GetKind(), object.GetName(), err)
		}
	}
	c.checkReferences()
	return errors.Join(c.errs...)
}

// read decodes an object, and keeps what others lead to.
func (c *cluster) read(kind string, text []byte) error {
	strict := func(to any) error { return yaml.UnmarshalStrict(text, to, yaml.DisallowUnknownFields) }
	switch kind {
	case "Namespace":
		return strict(&core.Namespace{})
	case "ServiceAccount":
		return strict(&core.ServiceAccount{})
	case "ConfigMap":
		var m core.ConfigMap
		err := strict(&m)
		c.configMaps = append(c.configMaps, m)
		return err
	case "Service":
		var s core.Service
		err := strict(&s)
		c.services = append(c.services, s)
		c.selectors["Service"] = &meta.LabelSelector{MatchLabels: s.Spec.Selector}
		for _, p := range s.Spec.Ports {
			c.ports["Service"] = append(c.ports["Service"], p.TargetPort)
		}
		return err
	case "Deployment":
		var d apps.Deployment
		err := strict(&d)
		c.template, c.selector = d.Spec.Template, d.Spec.Selector
		return err
	case "DaemonSet":
		var d apps.DaemonSet
		err := strict(&d)
		c.template, c.selector = d.Spec.Template, d.Spec.Selector
		return err
	}
	return c.readOther(kind, strict)
}

func (c *cluster) readOther(kind string, strict func(any) error) error {
	switch kind {
	case "PodDisruptionBudget":
		var b policy.PodDisruptionBudget
		err := strict(&b)
		c.selectors[kind] = b.Spec.Selector
		return err
	case "HorizontalPodAutoscaler":
		return strict(&autoscaling.HorizontalPodAutoscaler{})
	case "NetworkPolicy":
		var p networking.NetworkPolicy
		err := strict(&p)
		c.selectors[kind] = &p.Spec.PodSelector
		for _, rule := range p.Spec.Ingress {
			for _, port := range rule.Ports {
				c.ports[kind] = append(c.ports[kind], *port.Port)
			}
		}
		return err
	case "PodMonitor":
		var m monitoring.PodMonitor
		err := strict(&m)
		c.selectors[kind] = &m.Spec.Selector
		for _, e := range m.Spec.PodMetricsEndpoints {
			c.ports[kind] = append(c.ports[kind], intstr.FromString(*e.Port))
		}
		return err
	}
	return errors.New("the check does not know this kind")
}

// checkReferences looks at what leads from one object to another.
func (c *cluster) checkReferences() {
	if c.selector == nil || len(c.template.Spec.Containers) != 1 {
		c.wrong("want one workload with one container")
		return
	}
	pod := c.template.Spec.Containers[0]
	c.selectors["workload"] = c.selector
	for of, selector := range c.selectors {
		s, err := meta.LabelSelectorAsSelector(selector)
		if err != nil || !s.Matches(labels.Set(c.template.Labels)) {
			c.wrong("the selector of the %s does not find the pods: %v", of, err)
		}
	}
	for _, probe := range []*core.Probe{pod.StartupProbe, pod.ReadinessProbe, pod.LivenessProbe} {
		if probe == nil || probe.HTTPGet == nil {
			c.wrong("a probe is missing")
			continue
		}
		c.ports["probe"] = append(c.ports["probe"], probe.HTTPGet.Port)
	}
	for of, ports := range c.ports {
		for _, port := range ports {
			if !slices.ContainsFunc(pod.Ports, func(p core.ContainerPort) bool { return p.Name == port.StrVal }) {
				c.wrong("no container has the port %s of the %s", port.String(), of)
			}
		}
	}
	c.checkVolumes(pod)
	c.checkRights(pod)
}

// checkVolumes looks whether each mount has its volume, and each ConfigMap is there: kustomize
// gives them names with a hash.
func (c *cluster) checkVolumes(pod core.Container) {
	wanted := map[string]bool{}
	for _, from := range pod.EnvFrom {
		wanted[from.ConfigMapRef.Name] = true
	}
	for _, mount := range pod.VolumeMounts {
		if !slices.ContainsFunc(c.template.Spec.Volumes, func(v core.Volume) bool { return v.Name == mount.Name }) {
			c.wrong("there is no volume %s", mount.Name)
		}
	}
	for _, v := range c.template.Spec.Volumes {
		if v.ConfigMap != nil {
			wanted[v.ConfigMap.Name] = true
		}
	}
	for name := range wanted {
		if !slices.ContainsFunc(c.configMaps, func(m core.ConfigMap) bool { return m.Name == name }) {
			c.wrong("there is no ConfigMap %s", name)
		}
	}
}

// checkRights looks whether the container has no more rights than it needs.
func (c *cluster) checkRights(pod core.Container) {
	s := pod.SecurityContext
	switch {
	case s == nil || s.AllowPrivilegeEscalation == nil || *s.AllowPrivilegeEscalation,
		s.ReadOnlyRootFilesystem == nil || !*s.ReadOnlyRootFilesystem,
		s.Capabilities == nil || !slices.Equal(s.Capabilities.Drop, []core.Capability{"ALL"}):
		c.wrong("the container can write to its root, or has capabilities")
	case c.template.Spec.SecurityContext.SeccompProfile == nil:
		c.wrong("there is no seccomp profile")
	}
}
