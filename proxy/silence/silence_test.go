package silence

import (
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// A stub is a connection.
type stub struct{ hasRead, ended atomic.Bool }

// HasRead implements Conn.
func (s *stub) HasRead() bool { return s.hasRead.Load() }

// EndRead implements Conn.
func (s *stub) EndRead() { s.ended.Store(true) }

// Who has said nothing for some time is not waited for; who has only just come has as much
// time, and who has said something is left alone.
func TestEnd(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var s Set
		old, young, late, speaker, gone := &stub{}, &stub{}, &stub{}, &stub{}, &stub{}
		speaker.hasRead.Store(true)
		for _, c := range []*stub{old, speaker, gone} {
			remove := s.Add(c, time.Now())
			if c == gone {
				remove()
			}
		}
		time.Sleep(Grace)
		s.Add(young, time.Now())
		s.Add(late, time.Now())
		stop := s.End()
		defer stop()
		if !old.ended.Load() || young.ended.Load() || speaker.ended.Load() || gone.ended.Load() {
			t.Errorf("at once: %v %v %v %v", old.ended.Load(), young.ended.Load(), speaker.ended.Load(), gone.ended.Load())
		}
		late.hasRead.Store(true)
		time.Sleep(Grace)
		synctest.Wait()
		if !young.ended.Load() || late.ended.Load() || speaker.ended.Load() || gone.ended.Load() {
			t.Errorf("in the end: %v %v %v %v", young.ended.Load(), late.ended.Load(), speaker.ended.Load(), gone.ended.Load())
		}
	})
}
