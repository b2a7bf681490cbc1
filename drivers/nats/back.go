package nats

const wentBack = "the broker has lost events that it had confirmed: its stream has gone back. Its store was lost, truncated or restored; " +
	"have read models made anew, and compare what others keep"

// confirmed notes where the last of a batch was stored, which was sent when the stream was at mark.
func (b *broker) confirmed(owner string, answer stored, messages, mark uint64) {
	if answer.Duplicate || answer.Seq == 0 {
		return
	}
	first := answer.Seq - min(answer.Seq, messages) + 1
	if back := b.marks.Saw(streamOf(owner), first, mark); back > 0 {
		b.log.Error(wentBack, "stream", streamOf(owner), "from", back, "to", first)
	}
	b.marks.Saw(streamOf(owner), answer.Seq, 0)
}

// delivered notes what came for the first time: in a lane each comes behind the one before.
func (b *broker) delivered(stream, consumer string, place uint64) {
	name := stream + " " + consumer
	if back := b.marks.Saw(name, place, b.marks.Mark(name)); back > 0 {
		b.log.Error(wentBack, "stream", stream, "consumer", consumer, "from", back, "to", place)
	}
}
