import Hopyard
import Testing

/// A short slice of `make fuzz`: random and mutated frames into every kind of device, with rules,
/// connection tracking and NAT in their way.
@Suite struct HostileFrameTests {
  private static let network = """
    ip netns add a; ip netns add m
    ip link add br0 type bridge; ip link set br0 up; ip addr add 10.0.0.1/24 dev br0
    ip link add va type veth peer name eth0 netns a; ip link set va master br0 up
    ip link add vp type veth peer name vq; ip link set vp up; ip link set vq up
    ip link add link vp name vp.5 type vlan id 5; ip link set vp.5 up
    ip addr add 10.5.0.1/24 dev vp.5
    ip link add mv0 link vq type macvlan mode bridge; ip link set mv0 up; ip addr add 10.6.0.1/24 dev mv0
    ip link add dm0 type dummy; ip link set dm0 up; ip link set lo up
    ip -n a addr add 10.0.0.2/24 dev eth0; ip -n a link set eth0 up
    ip -n a link set lo up; ip -n a route add default via 10.0.0.1
    sysctl -qw net.ipv4.ip_forward=1
    iptables -A FORWARD -m conntrack --ctstate INVALID -j DROP
    iptables -A INPUT -p tcp --dport 80 -j REJECT --reject-with tcp-reset
    iptables -t nat -A POSTROUTING -s 10.0.0.0/24 -j MASQUERADE
    iptables -t nat -A PREROUTING -p udp --dport 53 -j DNAT --to-destination 10.0.0.2:5353
    """

  /// Valid frames to begin from: ARP, ICMP, UDP, TCP, a fragment, tags, IGMP, an ICMP error.
  private static let seeds: [[UInt8]] = {
    func ip(_ proto: UInt8, _ body: [UInt8], fragment: UInt16 = 0) -> [UInt8] {
      let length = 20 + body.count
      var header: [UInt8] = [
        0x45, 0, UInt8(length >> 8), UInt8(length & 255), 0, 1, UInt8(fragment >> 8),
        UInt8(fragment & 255), 64, proto, 0, 0, 10, 0, 0, 2, 10, 0, 0, 1,
      ]
      let sum = header.withUnsafeBytes { InternetChecksum.checksum(of: $0) }
      header[10] = UInt8(sum >> 8)
      header[11] = UInt8(sum & 255)
      return header + body
    }
    let link: [UInt8] = [255, 255, 255, 255, 255, 255, 2, 0, 0, 0, 0, 9]
    let echo: [UInt8] = [8, 0, 0xf7, 0xfd, 0, 1, 0, 1]
    let udp: [UInt8] = [0x1f, 0x90, 0, 53, 0, 12, 0, 0, 1, 2, 3, 4]
    let tcp: [UInt8] = [4, 0, 0, 80, 0, 0, 0, 1, 0, 0, 0, 0, 0x50, 2, 16, 0, 0, 0, 0, 0]
    return [
      link + [8, 6, 0, 1, 8, 0, 6, 4, 0, 1, 2, 0, 0, 0, 0, 9, 10, 0, 0, 2, 0, 0, 0, 0, 0, 0]
        + [10, 0, 0, 1],
      link + [8, 0] + ip(1, echo), link + [8, 0] + ip(17, udp), link + [8, 0] + ip(6, tcp),
      link + [8, 0] + ip(17, udp + [UInt8](repeating: 7, count: 28), fragment: 0x2000),
      link + [0x81, 0, 0, 5, 8, 0] + ip(1, echo),
      link + [0x88, 0xa8, 0, 1, 0x81, 0, 0, 5, 8, 0] + ip(17, udp),
      link + [8, 0] + ip(2, [0x11, 1, 0, 0, 0, 0, 0, 0]),
      link + [8, 0] + ip(1, [3, 4, 0, 0, 0, 0, 4, 0] + ip(17, udp)),
    ]
  }()

  @Test func `a lab may end in the middle of a broadcast storm`() {
    let lab = Lab(
      name: "storm.lab",
      text: """
        ip link add br0 type bridge; ip link set br0 up
        ip link add br1 type bridge; ip link set br1 up
        ip link add a0 type veth peer name a1; ip link add b0 type veth peer name b1
        ip link set a0 master br0 up; ip link set a1 master br1 up
        ip link set b0 master br0 up; ip link set b1 master br1 up
        ip addr add 10.0.0.1/24 dev br0
        ping -c 1 -W 0.01 10.0.0.2
        """
    )
    #expect(lab.run() == .finished)
    #expect(lab.simulation.pool.outstanding > 0)
  }

  @Test(arguments: ["va", "vp", "vq", "vp.5", "mv0", "dm0", "lo", "br0"])
  func `no frame crashes or hangs a device`(device: String) throws {
    let lab = Lab(name: "hostile.lab", text: Self.network)
    #expect(lab.problems.isEmpty)
    #expect(lab.run() == .finished)
    let host = lab.machine.root!
    let socket = host.sockets.makePacket()
    try socket.bind(ifindex: try #require(host.devices[device]).ifindex)
    let other = try #require(lab.machine.namespace(named: "a"))
    let back = other.sockets.makePacket()
    try back.bind(ifindex: try #require(other.devices["eth0"]).ifindex)
    var random = RandomSource(seed: 11, stream: device)
    for _ in 0..<1_500 {
      var frame = Self.seeds[Int(random.below(UInt64(Self.seeds.count)))]
      for _ in 0..<random.below(6) {
        frame[Int(random.below(UInt64(frame.count)))] = UInt8(random.below(256))
      }
      if random.below(4) == 0 { frame = [UInt8](frame.prefix(Int(random.below(70)))) }
      if random.below(8) == 0 {
        frame += (0..<random.below(200)).map { _ in UInt8(random.below(256)) }
      }
      // A frame that is too short or too long is refused, not sent.
      try? socket.send(frame: frame)
      try? back.send(frame: frame)
      let end = lab.simulation.now + .milliseconds(1)
      #expect(lab.simulation.run(until: end, eventBudget: 10_000) != .eventBudget)
    }
    #expect(lab.simulation.eventCount > 1_500)
  }
}
