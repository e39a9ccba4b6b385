# What a sink's Makefile includes: how NAME.wasm and NAME-test are made of SOURCES and TESTS.
#
#   NAME     the sink's name
#   SOURCES  its C files
#   TESTS    C files of its tests, with a main
#   CC       compiler for wasm32-wasi; HOST_CC for tests; KUBEDL_EVENTS the program that makes a component of a core module

ifeq ($(origin CC),default)
CC = $(if $(wildcard .venv/bin/python),.venv/bin/python,python3) -m ziglang cc
endif
HOST_CC ?= $(if $(shell command -v cc),cc,$(CC))
KUBEDL_EVENTS ?= kubedl-events

SDK := $(patsubst %/,%,$(dir $(lastword $(MAKEFILE_LIST))))
SDK_SOURCES := $(wildcard $(SDK)/src/*.c)
HEADERS := $(SDK)/kubedl_events_sink.h $(SDK)/bindings/sink.h $(wildcard *.h)

# Without -z stack-size a linker takes 16 MiB for the stack of each instance.
WASM_FLAGS = --target=wasm32-wasi -mexec-model=reactor -std=c11 -Oz -flto -s -Wall -Wextra -Wl,-z,stack-size=65536 -I$(SDK)
HOST_FLAGS = -std=c11 -g -Wall -Wextra -I$(SDK)

$(NAME).wasm: $(NAME).core.wasm
	$(KUBEDL_EVENTS) sink component $< --output $@

$(NAME).core.wasm: $(SOURCES) $(SDK_SOURCES) $(SDK)/bindings/sink.c $(HEADERS)
	$(CC) $(WASM_FLAGS) -o $@ $(SOURCES) $(SDK_SOURCES) $(SDK)/bindings/sink.c

$(NAME)-test: $(SOURCES) $(TESTS) $(SDK_SOURCES) $(wildcard $(SDK)/fake/*) $(SDK)/bindings/sink.c $(HEADERS)
	$(HOST_CC) $(HOST_FLAGS) -w -c -o $(NAME)-bindings.o $(SDK)/fake/bindings.c
	$(HOST_CC) $(HOST_FLAGS) -o $@ $(SOURCES) $(TESTS) $(SDK_SOURCES) $(SDK)/fake/fake_host.c $(NAME)-bindings.o

.PHONY: test clean
test: $(NAME)-test
	./$(NAME)-test

clean:
	rm -f $(NAME).wasm $(NAME).core.wasm $(NAME)-test $(NAME)-bindings.o
