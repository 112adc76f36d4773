/* The page at "/": one document, made of src/server/own/page/ when the program is built, and what it loads later (third_party/). */
#ifndef SERVER_OWN_PAGE_H
#define SERVER_OWN_PAGE_H

struct http_exchange;

/* The handler of "/": answers x with the page; with --no-page: 404. */
void page_handle(struct http_exchange *x);
/* The handler of "/page/NAME": scripts, styles and fonts that the page loads when an answer needs them; with --no-page: 404. */
void page_handle_part(struct http_exchange *x);

#endif
