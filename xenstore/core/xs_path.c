// SPDX-License-Identifier: BSD-2-Clause
// Path rules.
#include <errno.h>
#include <string.h>

#include "xs_buf.h"
#include "xs_path.h"

/* What a name may consist of. */
static const bool name_char[256] = {
	['a' ... 'z'] = true, ['A' ... 'Z'] = true, ['0' ... '9'] = true,
	['-'] = true,	      ['_'] = true,	    ['@'] = true,
};

bool xs_path_valid(const char *path)
{
	size_t i;

	if (path[0] != '/')
		return false;
	if (!path[1])
		return true;
	for (i = 1; path[i]; i++)
		if (!name_char[(unsigned char)path[i]] && (path[i] != '/' || path[i - 1] == '/'))
			return false;
	return path[i - 1] != '/' && i <= XS_PATH_MAX;
}

size_t xs_path_domain(char *out, uint16_t domid)
{
	static const char pre[] = "/local/domain/";

	memcpy(out, pre, sizeof(pre) - 1);
	return sizeof(pre) - 1 + xs_num_fmt(out + sizeof(pre) - 1, domid);
}

int xs_path_canon(char *out, uint16_t domid, const char *in, size_t *rel)
{
	size_t len = strlen(in), pre = 0;

	if (in[0] != '/') {
		if (!len || len > XENSTORE_REL_PATH_MAX)
			return EINVAL;
		pre = xs_path_domain(out, domid);
		out[pre++] = '/';
	}
	if (pre + len > XS_PATH_MAX)
		return EINVAL;
	memcpy(out + pre, in, len + 1);
	if (rel)
		*rel = pre;
	return xs_path_valid(out) ? 0 : EINVAL;
}

size_t xs_path_next(const char **p, const char **name)
{
	const char *s = *p;
	size_t len = 0;

	while (*s == '/')
		s++;
	*name = s;
	while (s[len] && s[len] != '/')
		len++;
	*p = s + len;
	return len;
}

size_t xs_path_parent_len(const char *path)
{
	size_t len = strlen(path);

	if (len <= 1)
		return 0;
	while (len && path[len - 1] != '/')
		len--;
	return len > 1 ? len - 1 : 1;
}
