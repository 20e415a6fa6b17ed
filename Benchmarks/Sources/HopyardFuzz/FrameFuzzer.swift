import Foundation
import Hopyard

/// Sends frames into each kind of device of a router with rules, and watches that all is freed.
struct FrameFuzzer {
  let seed: UInt64

  /// One way into the network under test.
  private struct Entrance {
    var name: String
    var socket: PacketSocket
    var surroundings: FrameSource.Surroundings
  }

  func run(count: Int) throws {
    let lab = try build()
    let box = try addCards(lab)
    try openSockets(lab)
    let entrances = try self.entrances(lab)
    for entrance in entrances {
      try attack(entrance, count: count, lab)
    }
    try settle(lab)
    lab.close()
    withExtendedLifetime(box) {}
  }

  /// The kinds of device and the namespace and interface from which frames reach them.
  private static let kinds: [(kind: String, namespace: String, interface: String, into: String)] = [
    ("veth", "x", "veth0", "veth0"), ("bridge", "x", "port0", "br0"),
    ("VLAN bridge", "x", "port1", "br1"), ("vlan", "x", "veth0.10", "veth0.10"),
    ("macvlan", "x", "low0", "mac0"), ("NIC by cable", "x", "nic0", "nic0"),
    ("NIC by switch", "x", "nic1", "nic1"), ("dummy", "r", "dummy0", "dummy0"),
    ("lo", "r", "lo", "lo"),
  ]

  /// The router `r` has one device of each kind, `x` is where frames come from.
  private static let network = """
    for n in r x h1 h2; do ip netns add $n; ip -n $n link set lo up; done
    ip -n x link add veth0 type veth peer name veth0 netns r
    ip -n x link add port0 type veth peer name port0 netns r
    ip -n x link add port1 type veth peer name port1 netns r
    ip -n x link add low0 type veth peer name low0 netns r
    ip -n h1 link add eth0 type veth peer name h1 netns r
    ip -n h2 link add eth0 type veth peer name h2 netns r
    ip -n x link add link veth0 name veth0.10 type vlan id 10
    for i in veth0 port0 port1 low0 veth0.10; do ip -n x link set $i mtu 1500 up; done
    ip -n r link add br0 type bridge
    ip -n r link add br1 type bridge vlan_filtering 1
    ip -n r link set port0 master br0
    ip -n r link set h1 master br0
    ip -n r link set port1 master br1
    ip -n r link set h2 master br1
    ip -n r link add link veth0 name veth0.10 type vlan id 10
    ip -n r link add link low0 name mac0 type macvlan mode bridge
    ip -n r link add link low0 name mac1 type macvlan mode bridge
    ip -n r link add dummy0 type dummy
    ip -n r addr add 10.0.1.1/24 dev veth0
    ip -n r addr add 10.0.2.1/24 dev br0
    ip -n r addr add 10.0.3.1/24 dev br1
    ip -n r addr add 10.0.4.1/24 dev veth0.10
    ip -n r addr add 10.0.5.1/24 dev mac0
    ip -n r addr add 10.0.5.2/24 dev mac1
    ip -n r addr add 10.0.6.1/24 dev dummy0
    for i in veth0 port0 port1 low0 h1 h2 br0 br1 veth0.10 mac0 mac1 dummy0; do
      ip -n r link set $i up
    done
    ip -n h1 addr add 10.0.2.2/24 dev eth0
    ip -n h1 link set eth0 up
    ip -n h1 route add default via 10.0.2.1
    ip -n h2 addr add 10.0.3.2/24 dev eth0
    ip -n h2 link set eth0 up
    ip -n h2 route add default via 10.0.3.1
    ip -n x addr add 10.0.1.9/24 dev veth0
    ip -n x addr add 10.0.2.9/24 dev port0
    ip -n x addr add 10.0.3.9/24 dev port1
    ip -n x addr add 10.0.4.9/24 dev veth0.10
    ip -n x addr add 10.0.5.9/24 dev low0
    ip netns exec r sysctl -w net.ipv4.ip_forward=1
    """

  private static let rules = """
    ip netns exec r iptables-restore <<'EOF'
    *raw
    :PREROUTING ACCEPT [0:0]
    :OUTPUT ACCEPT [0:0]
    -A PREROUTING -p udp -m udp --dport 33434 -j CT --notrack
    COMMIT
    *mangle
    :PREROUTING ACCEPT [0:0]
    :INPUT ACCEPT [0:0]
    :FORWARD ACCEPT [0:0]
    :OUTPUT ACCEPT [0:0]
    :POSTROUTING ACCEPT [0:0]
    -A PREROUTING -p icmp -j MARK --set-xmark 0x1/0xffffffff
    COMMIT
    *nat
    :PREROUTING ACCEPT [0:0]
    :INPUT ACCEPT [0:0]
    :OUTPUT ACCEPT [0:0]
    :POSTROUTING ACCEPT [0:0]
    -A PREROUTING -p udp -m udp --dport 7000 -j DNAT --to-destination 10.0.2.2:9
    -A PREROUTING -p tcp -m tcp --dport 8080 -j REDIRECT --to-ports 80
    -A POSTROUTING -s 10.0.1.0/24 -j MASQUERADE
    -A POSTROUTING -s 10.0.2.0/24 -o br1 -j SNAT --to-source 10.0.3.1-10.0.3.3
    COMMIT
    *filter
    :INPUT ACCEPT [0:0]
    :FORWARD ACCEPT [0:0]
    :OUTPUT ACCEPT [0:0]
    :OTHERS - [0:0]
    -A INPUT -p tcp -m tcp --tcp-flags FIN,SYN,RST,ACK SYN -j OTHERS
    -A FORWARD -m conntrack --ctstate INVALID -j DROP
    -A FORWARD -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT
    -A FORWARD -p udp -m udp --sport 53 -j REJECT --reject-with icmp-port-unreachable
    -A FORWARD -f -j OTHERS
    -A OTHERS -p tcp -j REJECT --reject-with tcp-reset
    -A OTHERS -m addrtype --dst-type LOCAL -j RETURN
    -A OTHERS -m mark --mark 0x1 -j ACCEPT
    COMMIT
    EOF
    """

  private func build() throws -> Lab {
    let lab = Lab(name: "frames.lab", text: Self.network + "\n" + Self.rules + "\n")
    if let problem = lab.problems.first { throw FuzzFailure("\(problem)") }
    let ending = lab.run()
    guard ending == .finished else { throw FuzzFailure("the network was not built: \(ending)") }
    for line in lab.runner.session.lines where line.status != 0 {
      throw FuzzFailure("the network was not built: line \(line.number) failed: \(line.text)")
    }
    return lab
  }

  private func openSockets(_ lab: Lab) throws {
    for name in ["r", "h1", "h2"] {
      guard let namespace = lab.machine.namespace(named: name) else { continue }
      for port: UInt16 in [9, 80] {
        let socket = namespace.sockets.makeUDP()
        try socket.bind(port: port)
      }
    }
  }

  /// Network cards, which no command makes: one pair on a cable, three on a switch.
  private func addCards(_ lab: Lab) throws -> EthernetSwitch {
    let box = EthernetSwitch(simulation: lab.simulation, name: "switch")
    var onCable: EthernetDevice?
    for (name, host) in [("r", 1), ("x", 9), ("h1", 2)] as [(String, UInt32)] {
      guard let namespace = lab.machine.namespace(named: name) else { continue }
      for (number, subnet) in [(0, 7), (1, 8)] as [(Int, UInt32)] where name != "h1" || number == 1
      {
        let card = try namespace.makeEthernet(NewLink("nic\(number)"))
        if number == 1 {
          card.connect(to: box)
        } else if let other = onCable {
          card.connect(to: other, options: CableOptions(loss: 0.01))
        } else {
          onCable = card
        }
        try namespace.setLinkUp(card)
        let address = 0x0a00_0000 + subnet << 8 + host
        try namespace.addAddress(
          InterfaceAddress<UInt32>(local: address, prefixLength: 24, broadcast: address | 255),
          to: card
        )
      }
    }
    return box
  }

  private func entrances(_ lab: Lab) throws -> [Entrance] {
    let namespaces = lab.machine.namespaces
    let devices = namespaces.flatMap(\.devices.all)
    let macs = devices.map { $0.mac.rawValue }.filter { $0 != 0 }
    let router = lab.machine.namespace(named: "r")
    return try Self.kinds.map { kind, name, interface, into in
      guard let namespace = lab.machine.namespace(named: name),
        let device = namespace.devices[interface],
        let target = router?.devices[into]
      else { throw FuzzFailure("no device \(interface) in \(name)") }
      let socket = namespace.sockets.makePacket()
      socket.hearsOutgoing = false
      socket.filter = { _ in false }
      try socket.bind(ifindex: device.ifindex)
      let routers: [UInt32] = (1...8).map { 0x0a00_0001 + $0 << 8 }
      let hosts: [UInt32] = [2, 3, 8].map { 0x0a00_0002 + $0 << 8 }
      let senders: [UInt32] = [1, 2, 3, 4, 5, 7, 8].map { 0x0a00_0009 + $0 << 8 }
      return Entrance(
        name: kind,
        socket: socket,
        surroundings: FrameSource.Surroundings(
          target: target.mac.rawValue,
          macs: macs,
          sources: senders + hosts,
          destinations: routers + hosts + hosts + senders
        )
      )
    }
  }

  private func attack(_ entrance: Entrance, count: Int, _ lab: Lab) throws {
    var source = FrameSource(seed: seed ^ UInt64(entrance.socket.number) << 32)
    let simulation = lab.simulation
    let tracer = CountingTracer()
    let tap = CheckingTap()
    let events = simulation.eventCount
    var refused = 0
    for index in 0..<count {
      if index % 64 == 0 {
        // Captures and explanations are other ways through the code: watched half of the time.
        simulation.tracer = index / 64 % 4 == 1 ? tracer : nil
        simulation.tap = index / 64 % 4 >= 2 ? tap : nil
        CrashGuard.name("frames into \(entrance.name), number \(index), seed \(seed)")
        try pass(simulation, .milliseconds(1), entrance.name)
        drain(lab)
      }
      let frame = source.next(entrance.surroundings)
      CrashGuard.enter(frame, seconds: index % 64 == 0 ? 30 : 0)
      do {
        try entrance.socket.send(frame: frame)
      } catch {
        refused += 1
      }
    }
    try pass(simulation, .seconds(1), entrance.name)
    CrashGuard.leave()
    simulation.tracer = nil
    simulation.tap = nil
    let name = entrance.name.padding(toLength: 14, withPad: " ", startingAt: 0)
    print(
      "frames into \(name) \(count) sent (\(refused) refused by the socket),",
      "\(simulation.eventCount - events) events, \(tap.frames) frames captured"
    )
    print("  fates of a quarter of them: \(tracer.fates)")
  }

  private func pass(_ simulation: Simulation, _ time: Int64, _ name: String) throws {
    let ending = simulation.run(until: simulation.now + time, eventBudget: 2_000_000)
    guard ending == .timeLimit || ending == .idle else {
      throw FuzzFailure("frames into \(name): the run ended with \(ending)")
    }
  }

  private func drain(_ lab: Lab) {
    for namespace in lab.machine.namespaces {
      for socket in namespace.sockets.all {
        while socket.receive() != nil {}
        _ = socket.takeError()
      }
    }
  }

  /// In the end every packet must have been freed.
  private func settle(_ lab: Lab) throws {
    CrashGuard.name("the end of frames")
    try pass(lab.simulation, .seconds(600), "all")
    drain(lab)
    let left = lab.simulation.pool.outstanding
    print("after ten minutes of quiet, \(left) packets are held")
    guard left == 0 else { throw FuzzFailure("\(left) packets were never freed") }
  }
}

/// Counts the steps that it is told, and looks at their texts.
private final class CountingTracer: Tracer {
  private(set) var steps = 0
  private(set) var bytes = 0
  private var verdicts: [String: Int] = [:]

  /// The most frequent fates, with how many packets met them.
  var fates: String {
    verdicts.sorted { ($1.value, $0.key) < ($0.value, $1.key) }
      .map { "\($0.value) \($0.key)" }.joined(separator: ", ")
  }

  func record(_ step: TraceStep) {
    steps += 1
    if step.stage == "drop" || step.stage == "deliver" { verdicts[step.verdict, default: 0] += 1 }
    bytes += step.text.utf8.count + step.after.utf8.count
  }
}

/// Reads every byte of the frames that it is shown.
private final class CheckingTap: PacketTap {
  private(set) var frames = 0
  private(set) var sum = 0
  private var last = Instant(nanoseconds: -1)

  func register(_ point: CapturePoint) {}
  func rename(point id: Int, to name: String) {}

  func capture(
    _ frame: UnsafeRawBufferPointer,
    at time: Instant,
    on point: Int,
    direction: CaptureDirection
  ) {
    frames += 1
    for byte in frame { sum &+= Int(byte) }
    precondition(time > last, "capture times do not grow")
    last = time
  }
}
