package subject

import "syscall"

// endWithParent asks a subject to end when we are killed and can ask it no more.
func endWithParent(attr *syscall.SysProcAttr) { attr.Pdeathsig = syscall.SIGTERM }
