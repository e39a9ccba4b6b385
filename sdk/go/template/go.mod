module example.com/my-sink

go 1.25

require kubedl-events.io/sink v0.0.0

require go.bytecodealliance.org/pkg v0.2.3 // indirect

replace kubedl-events.io/sink => ./sdk
