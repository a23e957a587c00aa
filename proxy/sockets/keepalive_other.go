//go:build !linux

package sockets

import "net"

// inheritKeepAlive does nothing: package net sets keep-alive for each connection.
func inheritKeepAlive(*net.ListenConfig) {}
