/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Path rules (docs/misc/xenstore.txt of Xen, "Keys, paths"): components of A-Z a-z 0-9 - _ @, joined by
 * single slashes, no slash at the end; XENSTORE_ABS_PATH_MAX bytes absolute, XENSTORE_REL_PATH_MAX relative.
 */
#ifndef XS_PATH_H
#define XS_PATH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <xen/io/xs_wire.h>

#define XS_PATH_MAX XENSTORE_ABS_PATH_MAX
/* A buffer for any absolute path with its NUL. */
#define XS_PATH_BUF (XS_PATH_MAX + 1)

/* Is this a well-formed absolute path within the limit? */
bool xs_path_valid(const char *path);

/*
 * Make in absolute: relative names are below /local/domain/<domid>. out has XS_PATH_BUF bytes.
 * Returns 0 or EINVAL (malformed or too long). *rel is set to the number of leading bytes of out
 * that the caller did not name (0 for an absolute path); rel may be NULL.
 */
int xs_path_canon(char *out, uint16_t domid, const char *in, size_t *rel);

/* Write "/local/domain/<domid>" to out (at least 24 bytes), return its length. */
size_t xs_path_domain(char *out, uint16_t domid);

/*
 * Walk components: *p points at a slash or the end. Returns the length of the next component, stores its
 * start to *name and moves *p behind it; 0 at the end.
 */
size_t xs_path_next(const char **p, const char **name);

/* Length of the parent's part of path: 1 for a child of the root ("/"), 0 for the root itself. */
size_t xs_path_parent_len(const char *path);

#endif
