// SPDX-License-Identifier: BSD-2-Clause
// xenstored: command line, start-up, event loop.
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/file.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "xsd.h"

static struct xsd xsd;

static const char help[] =
	"usage: xenstored [OPTION]...\n"
	"Serve the xenstore to this host's tools and to domains.\n"
	"\n"
	"  -F, --foreground     do not detach; log to standard error\n"
	"      --no-domains     serve sockets only; needs no Xen\n"
	"      --rundir DIR     directory of the socket (default $XENSTORED_RUNDIR or "
	"/run/xenstored)\n"
	"      --pid-file FILE  write the process id there (default RUNDIR/xenstored.pid)\n"
	"      --log FILE       append log lines to FILE\n"
	"      --access-log FILE  append a line for each request to FILE\n"
	"      --journal FILE   keep the state there, so that it outlives the daemon (default "
	"RUNDIR/journal)\n"
	"      --no-journal     start empty and keep nothing\n"
	"      --repair         accept a damaged journal as far as it is sound\n"
	"  -v, --verbose        log more\n"
	"  -h, --help           show this text\n";

int xsd_poll(struct xsd *d, struct src *s, uint32_t events, bool add)
{
	struct epoll_event ev = { .events = events, .data.ptr = s };

	return epoll_ctl(d->epoll, add ? EPOLL_CTL_ADD : EPOLL_CTL_MOD, s->fd, &ev);
}

static void on_signal(int sig)
{
	(void)sig;
	xsd.stop = true;
}

static int parse(int argc, char **argv, struct xsd_opts *o)
{
	enum {
		NO_DOMAINS = 256,
		RUNDIR,
		PIDFILE,
		LOG,
		JOURNAL,
		NO_JOURNAL,
		REPAIR,
		ACCESS_LOG,
		HANDOVER
	};
	static const struct option longopts[] = {
		{ "foreground", no_argument, NULL, 'F' },
		{ "no-domains", no_argument, NULL, NO_DOMAINS },
		{ "rundir", required_argument, NULL, RUNDIR },
		{ "pid-file", required_argument, NULL, PIDFILE },
		{ "log", required_argument, NULL, LOG },
		{ "journal", required_argument, NULL, JOURNAL },
		{ "handover", required_argument, NULL, HANDOVER },
		{ "access-log", required_argument, NULL, ACCESS_LOG },
		{ "no-journal", no_argument, NULL, NO_JOURNAL },
		{ "repair", no_argument, NULL, REPAIR },
		{ "verbose", no_argument, NULL, 'v' },
		{ "help", no_argument, NULL, 'h' },
		{ NULL, 0, NULL, 0 },
	};
	int c;

	while ((c = getopt_long(argc, argv, "Fvh", longopts, NULL)) != -1) {
		switch (c) {
		case 'F':
			o->foreground = true;
			break;
		case NO_DOMAINS:
			o->no_domains = true;
			break;
		case RUNDIR:
			o->rundir = optarg;
			break;
		case PIDFILE:
			o->pidfile = optarg;
			break;
		case LOG:
			o->logfile = optarg;
			break;
		case JOURNAL:
			o->journal = optarg;
			break;
		case ACCESS_LOG:
			o->access_log = optarg;
			break;
		case HANDOVER:
			o->handover = optarg;
			break;
		case NO_JOURNAL:
			o->journal = "";
			break;
		case REPAIR:
			o->repair = true;
			break;
		case 'v':
			o->verbose = true;
			break;
		case 'h':
			fputs(help, stdout);
			exit(0);
		default:
			fputs(help, stderr);
			return -1;
		}
	}
	if (optind < argc) {
		fprintf(stderr, "xenstored: unexpected argument '%s'\n%s", argv[optind], help);
		return -1;
	}
	return 0;
}

/*
 * Detach before anything is opened: mappings of ring pages do not survive a fork. The parent waits for the child's
 * word that it serves, so that a start script may go on when the command returns. Returns the descriptor
 * for that word.
 */
static int detach(void)
{
	int ends[2], fd;
	char word;
	pid_t pid;

	if (pipe2(ends, O_CLOEXEC))
		return -1;
	pid = fork();
	if (pid < 0)
		return -1;
	if (pid) {
		close(ends[1]);
		exit(read(ends[0], &word, 1) == 1 ? 0 : 1);
	}
	close(ends[0]);
	setsid();
	fd = open("/dev/null", O_RDWR);
	if (fd >= 0) {
		dup2(fd, 0);
		dup2(fd, 1);
		close(fd);
	}
	return ends[1];
}

static void detached(int fd)
{
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);

	if (write(fd, "", 1) != 1)
		xsd_log(XSD_WARN, "nobody waits for the daemon's start");
	close(fd);
	if (null >= 0) {
		dup2(null, 2);
		close(null);
	}
}

static void write_pid(const char *file)
{
	FILE *f = fopen(file, "we");

	if (f)
		fprintf(f, "%ld\n", (long)getpid());
	if (!f || fclose(f))
		xsd_log(XSD_WARN, "cannot write %s: %s", file, strerror(errno));
}

static void serve(struct xsd *d)
{
	struct epoll_event ev[XSD_BATCH];
	int i, n;

	while (!d->stop) {
		n = epoll_wait(d->epoll, ev, XSD_BATCH, d->ndirty ? 0 : xsd_ring_timeout(d));
		for (i = 0; i < n; i++) {
			struct src *s = ev[i].data.ptr;

			s->ready(d, s, ev[i].events);
		}
		xsd_crowd(d, n > 0 ? (uint32_t)n : 0);
		xsd_sock_receive(d);
		xsd_ring_unhold(d);
		if (d->update)
			xsd_update_run(d);
		xsd_flush(d);
		xsd_reap(d);
	}
}

/* Without Xen there is nobody at the other end of the rings that a journal may know. */
static void forget_domains(struct xsd *d)
{
	while (d->store->domains)
		xs_domain_gone(d->store, d->store->domains->domid);
}

/* Create the run directory, and make sure that no other daemon uses it. 0 or -1 (logged). */
static int xsd_lock(struct xsd *d)
{
	char file[4096];
	int fd;

	if (mkdir(d->opt.rundir, 0755) && errno != EEXIST) {
		xsd_log(XSD_ERR, "cannot create %s: %s; choose another place with --rundir",
			d->opt.rundir, strerror(errno));
		return -1;
	}
	snprintf(file, sizeof(file), "%s/lock", d->opt.rundir);
	fd = open(file, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	d->lock_fd = fd; /* held as long as the process lives */
	if (fd >= 0 && !flock(fd, LOCK_EX | LOCK_NB))
		return 0;
	xsd_log(XSD_ERR, "cannot lock %s: %s; is another xenstored running there?", file,
		strerror(errno));
	return -1;
}

static int start(struct xsd *d)
{
	static char journal[4096];
	struct sigaction stop = { .sa_handler = on_signal };
	struct rlimit files;

	sigaction(SIGTERM, &stop, NULL);
	sigaction(SIGINT, &stop, NULL);
	signal(SIGPIPE, SIG_IGN);
	if (!getrlimit(RLIMIT_NOFILE, &files)) {
		files.rlim_cur = files.rlim_max;
		setrlimit(RLIMIT_NOFILE, &files);
	}
	d->dirty_tail = &d->dirty;
	d->epoll = epoll_create1(EPOLL_CLOEXEC);
	d->store = xs_store_new(&xsd_host, d);
	if (d->epoll < 0 || !d->store) {
		xsd_log(XSD_ERR, "cannot start: %s", strerror(errno));
		return -1;
	}
	if (!d->opt.handover && xsd_lock(d))
		return -1;
	snprintf(journal, sizeof(journal), "%s/journal", d->opt.rundir);
	if (!d->opt.journal)
		d->opt.journal = journal;
	if (d->opt.handover)
		return xsd_update_take_over(d);
	if (d->opt.journal[0] && xsd_journal_open(d, d->opt.journal, true))
		return -1;
	if (d->opt.no_domains)
		forget_domains(d);
	else if (xsd_xen_open(d, -1, 0))
		return -1;
	return xsd_listen(d);
}

int main(int argc, char **argv)
{
	const char *env = getenv("XENSTORED_RUNDIR");
	char pidfile[4096];
	int ready = -1;

	xsd.opt.rundir = env ? env : "/run/xenstored";
	if (parse(argc, argv, &xsd.opt))
		return 2;
	xsd.argc = argc;
	xsd.argv = argv;
	if (!xsd.opt.foreground && !xsd.opt.handover && (ready = detach()) < 0) {
		perror("xenstored: cannot detach");
		return 1;
	}
	if (xsd_log_open(xsd.opt.logfile, xsd.opt.verbose)) {
		fprintf(stderr, "xenstored: cannot open log %s: %s\n", xsd.opt.logfile,
			strerror(errno));
		return 1;
	}
	if (xsd.opt.access_log && xsd_access_log(xsd.opt.access_log, true)) {
		xsd_log(XSD_ERR, "cannot open %s: %s", xsd.opt.access_log, strerror(errno));
		return 1;
	}
	if (start(&xsd))
		return 1;
	snprintf(pidfile, sizeof(pidfile), "%s/xenstored.pid", xsd.opt.rundir);
	if (!xsd.opt.pidfile)
		xsd.opt.pidfile = pidfile;
	write_pid(xsd.opt.pidfile);
	if (ready >= 0)
		detached(ready);
	xsd_log(XSD_INFO, "serving below %s", xsd.opt.rundir);
	serve(&xsd);
	unlink(xsd.opt.pidfile);
	return 0;
}
