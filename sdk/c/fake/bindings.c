// The bindings' code for freeing, without their imports and exports, which fake_host.c and the tests stand for. They are compiled under
// other names, for they take a pointer to be 32 bits.
#include <stdint.h>
#include <stdlib.h>

#define kubedl_events_http_send generated_http_send
#define kubedl_events_http_send_all generated_http_send_all
#define kubedl_events_raw_event_get generated_raw_event_get
#define __import_module__(name) unused
#define __import_name__(name) unused
#define __export_name__(name) unused

#include "../bindings/sink.c"

static void absent(void) { abort(); }
void __wasm_import_wasi_cli_environment_get_environment(uint8_t *a) { (void)a, absent(); }
void __wasm_import_wasi_cli_environment_get_arguments(uint8_t *a) { (void)a, absent(); }
void __wasm_import_wasi_cli_environment_initial_cwd(uint8_t *a) { (void)a, absent(); }
void __wasm_import_kubedl_events_http_send(uint8_t *a, size_t b, uint8_t *c, size_t d, uint8_t *e, size_t f, uint8_t *g, size_t h, int32_t i,
                                           int32_t j, uint8_t *k) {
  (void)a, (void)b, (void)c, (void)d, (void)e, (void)f, (void)g, (void)h, (void)i, (void)j, (void)k, absent();
}
void __wasm_import_kubedl_events_http_send_all(uint8_t *a, size_t b, uint8_t *c) { (void)a, (void)b, (void)c, absent(); }
void __wasm_import_kubedl_events_raw_event_get(int32_t a, uint8_t *b) { (void)a, (void)b, absent(); }
