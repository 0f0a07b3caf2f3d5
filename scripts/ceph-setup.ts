/** A monitor, a storage daemon, the gateway, and the commands that set them up; what these need is found out by apt. */
export const PACKAGES: readonly string[] = ["radosgw", "ceph-mon", "ceph-osd", "ceph-base", "ceph-common"];

export interface CephPlaces {
  readonly folder: string;
  /** Where the packages' shared libraries lie. */
  readonly libraries: string;
  readonly fsid: string;
  readonly monitorPort: number;
  readonly gatewayPort: number;
}

/**
 * A cluster of one, in memory, without authentication between its parts. `tcp_nodelay` spares 40 ms a request;
 * the two `update on start` and the v1 address spare a race at the start; the debug levels spare gigabytes of log.
 */
export function toConfiguration({ folder, libraries, fsid, monitorPort, gatewayPort }: CephPlaces): string {
  return `[global]
fsid = ${fsid}
mon host = [v1:127.0.0.1:${monitorPort}/0]
auth cluster required = none
auth service required = none
auth client required = none
ms bind ipv4 = true
ms bind msgr2 = false
public addr = 127.0.0.1
cluster addr = 127.0.0.1
run dir = ${folder}
log file = ${folder}/$name.log
admin socket = ${folder}/$name.asok
pid file = ${folder}/$name.pid
keyring = ${folder}/keyring
osd pool default size = 1
osd pool default min size = 1
osd pool default pg num = 4
osd pool default pgp num = 4
osd crush chooseleaf type = 0
mon allow pool size one = true
mon warn on pool no redundancy = false
paxos propose interval = 0.01
paxos min wait = 0.01
debug ms = 0/0
debug rgw = 0/0
debug osd = 0/0
debug mon = 0/0
debug paxos = 0/0
erasure code dir = ${libraries}/ceph/erasure-code
plugin dir = ${libraries}/ceph
osd class dir = ${libraries}/rados-classes
[mon]
mon data = ${folder}/mon
[osd]
osd data = ${folder}/osd
osd class update on start = false
osd crush update on start = false
osd objectstore = memstore
memstore device bytes = 4294967296
osd op num shards = 2
[client]
rgw frontends = beast endpoint=127.0.0.1:${gatewayPort} tcp_nodelay=1
rgw thread pool size = 64
rgw enable usage log = false
rgw enable ops log = false
rgw dynamic resharding = false
`;
}
