import { assertEquals } from "@std/assert";
import { isIpAddress, socketAddress } from "../../../net/native/address.ts";
import { Libc } from "../../../net/native/libc.ts";
import { HAS_EPOLL } from "../_native.ts";

function tcp(hostname: string, port = 258): Deno.NetAddr {
  return { transport: "tcp", hostname, port };
}

Deno.test({
  name: "socketAddress() spells addresses of both families, and no names",
  ignore: !HAS_EPOLL,
  fn() {
    const libc = Libc.open()!;
    const family = (bytes: Uint8Array<ArrayBuffer> | undefined) =>
      bytes && new Uint16Array(bytes.buffer, 0, 1)[0];
    const ipv4 = socketAddress(libc, tcp("127.0.0.9"));
    assertEquals(family(ipv4), 2);
    assertEquals(ipv4?.length, 16);
    assertEquals([...ipv4!.subarray(2, 8)], [1, 2, 127, 0, 0, 9]);
    const ipv6 = socketAddress(libc, tcp("::1", 65_535));
    assertEquals(family(ipv6), 10);
    assertEquals(ipv6?.length, 28);
    assertEquals([...ipv6!.subarray(2, 8)], [255, 255, 0, 0, 0, 0]);
    assertEquals([...ipv6!.subarray(8, 24)], [...Array(15).fill(0), 1]);
    for (const name of ["localhost", "", "fe80::1%lo", "127.0.0.1.5"]) {
      assertEquals(socketAddress(libc, tcp(name)), undefined, name);
      assertEquals(isIpAddress(libc, tcp(name)), false, name);
    }
    libc.close();
  },
});
