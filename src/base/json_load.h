/* Loading JSON whose memory is a request's: see base/room.h. jansson ignores that its buffer for a token could not grow, and then
 * writes behind it; so all that a load can need is reserved before, and the load itself is refused nothing. */
#ifndef BASE_JSON_LOAD_H
#define BASE_JSON_LOAD_H

#include <jansson.h>
#include <stddef.h>

/* As json_loadb(). Where there is no room, NULL, and why is json_error_out_of_memory. */
json_t *json_load_reserved(const char *text, size_t n, size_t flags, json_error_t *why);

#endif
