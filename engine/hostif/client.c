#include "engine/hostif/client.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "engine/hostif/attach.h"

void client_close(struct control *c, struct control_client *k)
{
	struct control_host *host = k->host;

	if (host) {
		host->client = NULL;
		hostif_post(c->h, HOSTIF_MSG(HOSTIF_DETACH, host->core->index, host->core->id));
	}
	close(k->fd);
	c->clients[k->place] = c->clients[--c->n_clients];
	c->clients[k->place]->place = k->place;
	free(k);
}

// How many clients without a host each user has; `comer` asks to be one more. Returns the user that
// has the most, which is the comer's own when others have as many.
static uid_t most_clients(const struct control *c, uid_t comer)
{
	struct user_clients *users = c->counted, *most = users;
	uint32_t n_users = 1;

	users[0] = (struct user_clients){comer, 1};
	for (uint32_t i = 0; i < c->n_clients; i++) {
		const struct control_client *k = c->clients[i];
		uint32_t u = 0;

		if (k->host)
			continue;
		while (u < n_users && users[u].uid != k->cred.uid)
			u++;
		if (u == n_users)
			users[n_users++] = (struct user_clients){k->cred.uid, 0};
		users[u].n++;
	}
	for (uint32_t u = 1; u < n_users; u++)
		if (users[u].n > most->n)
			most = &users[u];
	return most->uid;
}

// The client that came first of those without a host, of one user or of all.
static struct control_client *client_first(const struct control *c, const uid_t *uid)
{
	struct control_client *first = NULL;

	for (uint32_t i = 0; i < c->n_clients; i++) {
		struct control_client *k = c->clients[i];

		if (!k->host && (!uid || k->cred.uid == *uid)
			&& (!first || (int32_t)(k->serial - first->serial) < 0))
			first = k;
	}
	return first;
}

// Clients that say nothing must not keep others out, nor one user's those of another: the one that
// came first of those without a host has to go, of the user that has the most of them. Returns
// whether there was one.
static bool client_evict(struct control *c, uid_t comer)
{
	uid_t uid = most_clients(c, comer);
	struct control_client *first = client_first(c, &uid);

	if (!first) // as many users as places
		first = client_first(c, NULL);
	if (!first)
		return false;
	__atomic_fetch_add(&c->h->cnt->client_evicted, 1, __ATOMIC_RELAXED);
	client_close(c, first);
	return true;
}

// No descriptor is left: whoever waits to be accepted would stay readable, and this thread would do
// nothing else. It is accepted with the spare one, and closed: it can come again.
static void client_turn_away(struct control *c)
{
	int fd;

	__atomic_fetch_add(&c->h->cnt->client_no_fd, 1, __ATOMIC_RELAXED);
	close(c->spare_fd);
	fd = accept4(c->listen_fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
	if (fd >= 0)
		close(fd);
	c->spare_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
}

bool client_accept(struct control *c)
{
	int fd = accept4(c->listen_fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
	struct control_client *k = fd < 0 ? NULL : calloc(1, sizeof(*k));
	socklen_t bytes = sizeof(struct ucred);
	bool evicted = false;

	if (fd < 0) {
		if (errno == EMFILE || errno == ENFILE)
			client_turn_away(c);
		return false;
	}
	if (!k || getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &k->cred, &bytes))
		goto err;
	if (c->n_clients == c->max_clients) {
		evicted = client_evict(c, k->cred.uid);
		if (!evicted)
			goto err;
	}
	if (control_watch(c, fd, (uint64_t)(uintptr_t)k))
		goto err;
	k->fd = fd;
	k->serial = c->next_serial++;
	k->place = c->n_clients;
	c->clients[c->n_clients++] = k;
	return evicted;

err:
	free(k);
	close(fd);
	return evicted;
}
