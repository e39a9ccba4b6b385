package sink

// Event is one version of one Kubernetes Event. (UID, ResourceVersion) is its identity: the same pair always means the same content.
// A text that Kubernetes left out is empty.
type Event struct {
	// UID is metadata.uid of the Event itself.
	UID string
	// ResourceVersion is another one for every update of the Event.
	ResourceVersion string
	Namespace       string
	Name            string
	// Type is Normal, Warning, or whatever a client wrote.
	Type string
	// Reason is a short word for machines: BackOff.
	Reason string
	// Action is what was done or attempted; mostly empty for core/v1.
	Action string
	// Message is a sentence for people; may be long.
	Message string
	// Count is how often it has happened so far; never 0.
	Count          uint32
	FirstTimestamp Timestamp
	LastTimestamp  Timestamp
	// ObservedAt is when the watcher saw this version.
	ObservedAt Timestamp
	// Component says so.
	Component string
	// Host is where from: mostly a node.
	Host string
	// Instance is mostly a Pod.
	Instance string
	// Regarding is what it is about.
	Regarding Object
	// Related is a second object; nil where there is none.
	Related *Object
	// Job is the KubeDL job that controls the object, or is it; nil where there is none.
	Job *Object
	// Region and Cluster are the operator's names; nil where they are not set.
	Region, Cluster *string
	// Labels of the Pod, those that the operator asked for.
	Labels     []Pair
	Attributes []Pair
}

// Object is a Kubernetes object that an event points at.
type Object struct {
	APIVersion, Kind, Namespace, Name, UID string
	// FieldPath is the part that is meant: spec.containers{main}.
	FieldPath string
}

// Timestamp is a moment since 1970-01-01T00:00:00Z.
type Timestamp struct {
	// Seconds are negative before 1970.
	Seconds int64
	// Nanoseconds are the rest, always below 1,000,000,000.
	Nanoseconds uint32
}

// Pair is a key and its value.
type Pair struct{ Key, Value string }
