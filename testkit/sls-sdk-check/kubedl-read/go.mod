module kubedlread

go 1.26.0

require github.com/aliyun/aliyun-log-go-sdk v0.1.6

require (
	github.com/cenkalti/backoff v1.0.0 // indirect
	github.com/go-kit/kit v0.8.1-0.20190225011659-a8cc1630e08a // indirect
	github.com/go-logfmt/logfmt v0.4.0 // indirect
	github.com/gogo/protobuf v0.0.0-20171213104750-35b81a066e52 // indirect
	github.com/golang/protobuf v0.0.0-20170920220647-130e6b02ab05 // indirect
	github.com/kr/logfmt v0.0.0-20140226030751-b84e30acd515 // indirect
	github.com/pierrec/lz4 v2.0.2+incompatible // indirect
	github.com/pkg/errors v0.8.0 // indirect
	golang.org/x/net v0.0.0-20160826235738-6250b4127982 // indirect
	gopkg.in/natefinch/lumberjack.v2 v2.0.0-20170531160350-a96e63847dc3 // indirect
)
