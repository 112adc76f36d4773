/* The border between errors inside (base/error.h) and those of the public API. Functions inside take a struct error and return 0 or -1;
 * public functions call them and convert what went wrong here. */
#ifndef ENGINE_PUBLIC_ERROR_H
#define ENGINE_PUBLIC_ERROR_H

struct error;
struct stoker_error;

/* Copies an error to the caller's, if it is not NULL. Always -1, so that a public function can return it. */
int error_to_public(struct stoker_error *to, const struct error *from);

#endif
