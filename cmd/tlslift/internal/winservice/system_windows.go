package winservice

import (
	"errors"
	"fmt"
	"os"
	"time"
	"unsafe"

	"golang.org/x/sys/windows"
	"golang.org/x/sys/windows/svc"
	"golang.org/x/sys/windows/svc/eventlog"
	"golang.org/x/sys/windows/svc/mgr"
)

// account is the virtual account of the service. Windows makes it, and it needs no password.
const account = `NT SERVICE\` + Name

// ThisSystem returns Windows.
func ThisSystem() (System, error) { return windowsSystem{}, nil }

// IsService reports whether the service manager of Windows has started this process.
func IsService() bool {
	is, err := svc.IsWindowsService()
	return err == nil && is
}

// A windowsSystem is a System that is real. It connects to the service manager for each
// request.
type windowsSystem struct{}

// errAdministrator names the remedy of what Windows calls "Access is denied."
var errAdministrator = errors.New("this needs an administrator: open the terminal with \"Run as administrator\"")

func explained(err error) error {
	if errors.Is(err, windows.ERROR_ACCESS_DENIED) {
		return fmt.Errorf("%w (%w)", errAdministrator, err)
	}
	return err
}

// with does something with the service, with no more rights than it needs, so that everybody
// may ask for the status.
func with(access uint32, do func(*mgr.Service) error) error {
	m, err := windows.OpenSCManager(nil, nil, windows.SC_MANAGER_CONNECT)
	if err != nil {
		return fmt.Errorf("asking the service manager: %w", explained(err))
	}
	defer closeHandle(m)
	name, err := windows.UTF16PtrFromString(Name)
	if err != nil {
		return err
	}
	h, err := windows.OpenService(m, name, access)
	if err != nil {
		return fmt.Errorf("asking the service manager for the service: %w", explained(err))
	}
	s := &mgr.Service{Name: Name, Handle: h}
	defer closeHandle(s.Handle)
	return explained(do(s))
}

// closeHandle closes a handle of the service manager, of which nothing is lost.
func closeHandle(h windows.Handle) { _ = windows.CloseServiceHandle(h) }

// Create implements System.
func (windowsSystem) Create(d Definition) error {
	m, err := mgr.Connect()
	if err != nil {
		return explained(err)
	}
	defer closeHandle(m.Handle)
	s, err := m.CreateService(Name, d.Program, mgr.Config{
		StartType: mgr.StartAutomatic, ErrorControl: mgr.ErrorNormal, ServiceStartName: account,
		DisplayName: "tlslift", Description: "Lets clients that only speak TLS 1.0 or 1.1 keep using Microsoft 365.",
	}, d.Args...)
	if err != nil {
		return explained(err)
	}
	defer closeHandle(s.Handle)
	if err := configure(s, d); err != nil {
		return errors.Join(explained(err), s.Delete())
	}
	return nil
}

// configure sets when the service starts and starts again, and how long a stop may take while
// the machine shuts down. The service works without what a service manager does not know, as
// that of Wine.
func configure(s *mgr.Service, d Definition) error {
	var actions []mgr.RecoveryAction
	for _, delay := range Restarts {
		actions = append(actions, mgr.RecoveryAction{Type: mgr.ServiceRestart, Delay: delay})
	}
	delayed := windows.SERVICE_DELAYED_AUTO_START_INFO{IsDelayedAutoStartUp: 1}
	stopTime := uint32(d.StopTime.Milliseconds()) //nolint:gosec // some minutes
	for _, err := range []error{
		s.SetRecoveryActions(actions, uint32((24 * time.Hour).Seconds())),
		s.SetRecoveryActionsOnNonCrashFailures(true),
		windows.ChangeServiceConfig2(s.Handle, windows.SERVICE_CONFIG_DELAYED_AUTO_START_INFO, (*byte)(unsafe.Pointer(&delayed))),
		windows.ChangeServiceConfig2(s.Handle, windows.SERVICE_CONFIG_PRESHUTDOWN_INFO, (*byte)(unsafe.Pointer(&stopTime))),
	} {
		if err != nil && !errors.Is(err, windows.ERROR_INVALID_LEVEL) {
			return err
		}
	}
	return nil
}

// Delete implements System.
func (windowsSystem) Delete() error {
	return with(windows.DELETE, (*mgr.Service).Delete)
}

// Start implements System.
func (windowsSystem) Start() error {
	return with(windows.SERVICE_START, func(s *mgr.Service) error { return s.Start() })
}

// Control implements System.
func (windowsSystem) Control(c Command) error {
	code, access := svc.Stop, uint32(windows.SERVICE_STOP)
	if c == Reload {
		code, access = svc.ParamChange, windows.SERVICE_PAUSE_CONTINUE
	}
	return with(access, func(s *mgr.Service) error {
		_, err := s.Control(code)
		return err
	})
}

var stateOf = map[svc.State]State{
	svc.Stopped: Stopped, svc.StartPending: Starting, svc.Running: Running, svc.StopPending: Stopping,
}

// Query implements System.
func (windowsSystem) Query() (Status, error) {
	var status Status
	err := with(windows.SERVICE_QUERY_STATUS, func(s *mgr.Service) error {
		got, err := s.Query()
		status = Status{State: stateOf[got.State], CheckPoint: got.CheckPoint, PID: got.ProcessId}
		if status.ExitCode = got.Win32ExitCode; got.Win32ExitCode == uint32(windows.ERROR_SERVICE_SPECIFIC_ERROR) {
			status.ExitCode = got.ServiceSpecificExitCode
		}
		return err
	})
	if errors.Is(err, windows.ERROR_SERVICE_DOES_NOT_EXIST) {
		return Status{State: NotInstalled}, nil
	}
	if status.State == Stopped && status.ExitCode == uint32(windows.ERROR_SERVICE_NEVER_STARTED) {
		status.ExitCode = 0
	}
	return status, err
}

// AddEvents implements System. A source that is left from an earlier installation is as good.
func (windowsSystem) AddEvents() error {
	_ = eventlog.Remove(Name) // usually there is none
	return explained(eventlog.InstallAsEventCreate(Name, eventlog.Error|eventlog.Warning|eventlog.Info))
}

// RemoveEvents implements System.
func (windowsSystem) RemoveEvents() error {
	if err := eventlog.Remove(Name); !errors.Is(err, windows.ERROR_FILE_NOT_FOUND) {
		return explained(err)
	}
	return nil
}

// Protect implements System.
func (windowsSystem) Protect(dir, acl string) error {
	sd, err := windows.SecurityDescriptorFromString(acl)
	if err != nil {
		return err
	}
	path, err := windows.UTF16PtrFromString(dir)
	if err != nil {
		return err
	}
	attributes := &windows.SecurityAttributes{SecurityDescriptor: sd}
	attributes.Length = uint32(unsafe.Sizeof(*attributes))
	err = windows.CreateDirectory(path, attributes)
	if !errors.Is(err, windows.ERROR_ALREADY_EXISTS) {
		return explained(err)
	}
	if err := checkOwner(dir); err != nil {
		return err
	}
	dacl, _, err := sd.DACL()
	if err != nil {
		return err
	}
	return explained(windows.SetNamedSecurityInfo(dir, windows.SE_FILE_OBJECT,
		windows.DACL_SECURITY_INFORMATION|windows.PROTECTED_DACL_SECURITY_INFORMATION, nil, nil, dacl, nil))
}

// checkOwner finds a directory that somebody else has made: on many machines every user may
// make directories beside ours, and would keep his rights to what is in it.
func checkOwner(dir string) error {
	if info, err := os.Lstat(dir); err != nil || !info.Mode().IsDir() {
		return errors.Join(err, errors.New("it is there, and is no ordinary directory; remove it"))
	}
	sd, err := windows.GetNamedSecurityInfo(dir, windows.SE_FILE_OBJECT, windows.OWNER_SECURITY_INFORMATION)
	if err != nil {
		return explained(err)
	}
	owner, _, err := sd.Owner()
	if err != nil {
		return err
	}
	self, err := windows.GetCurrentProcessToken().GetTokenUser()
	if err != nil {
		return err
	}
	if owner.Equals(self.User.Sid) || owner.IsWellKnown(windows.WinLocalSystemSid) ||
		owner.IsWellKnown(windows.WinBuiltinAdministratorsSid) || owner.String() == serviceSID(Name) {
		return nil
	}
	return fmt.Errorf("it belongs to another user (%s), who may have put files into it; look what is in it, and remove it", owner)
}

// ThisPlace returns where the service has its files. It asks Windows, not the environment,
// which another user may have changed.
func ThisPlace() (Place, error) {
	dir, err := windows.KnownFolderPath(windows.FOLDERID_ProgramData, 0)
	if err != nil {
		return Place{}, fmt.Errorf("finding the directory for data of programs: %w", err)
	}
	return under(dir), nil
}

// IsTrusted reports whether the directory of the service belongs to it or to administrators,
// or to who asks.
func (p Place) IsTrusted() bool { return checkOwner(p.Dir) == nil }
