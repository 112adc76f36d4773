/* Errors of the layers below as the public API shows them. */
#ifndef ENGINE_PUBLIC_ERROR_H
#define ENGINE_PUBLIC_ERROR_H

struct error;
struct stoker_error;

/* to may be NULL. */
void error_to_public(struct stoker_error *to, const struct error *from);

#endif
