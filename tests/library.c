/* links: library kernel format base
 *
 * The library against recorded results (library.md 10, 11).
 *
 *     library DIR      build/data/library; the README of tests/data tells what is there */
#include "library_damage.h"
#include "library_leaving.h"
#include "library_listed.h"
#include "library_lists.h"
#include "library_mended.h"
#include "library_ranking.h"
#include "library_search.h"
#include "library_text.h"

int main(int argc, char **argv)
{
    const char *dir = argc > 1 ? argv[1] : TEST_DATA "/library";
    struct error no_html = {0};
    text_tests(dir);
    mended_markdown();
    if (html_ready(&no_html))
        skipped += 3;
    else
        mended_html();
    search_tests(dir);
    vector_tests(dir);
    damage_tests(dir);
    leaving_tests(dir);
    lists_tests(dir);
    listed_tests(dir);
    ranking_tests(dir);
    printf("%d passed, %d failed, %d skipped\n", passed, failed, skipped);
    return failed != 0;
}
