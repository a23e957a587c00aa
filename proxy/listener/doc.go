// Package listener reads listener URLs: which protocol the clients of a listener
// speak, where they are to go, and the options of each scheme.
//
// It opens nothing, and it accepts no option that it does not know.
package listener
