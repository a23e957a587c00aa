// Package attacks has attacks that need all listeners together. Others are tried in the
// package that keeps them from working: deploy/docs/threat-model.md lists them.
//
// It is only tests.
package attacks
