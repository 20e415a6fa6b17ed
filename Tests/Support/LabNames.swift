/// Names for the numbers that differ from run to run: each gets the next name when it first appears.
final class LabNames {
  /// The place of an interface in a recording.
  struct Interface: Hashable {
    var namespace: String
    var name: String
  }

  /// Whether IPv6 is part of the recording.
  let showsIPv6: Bool
  private let literals: Set<Int>
  private var ports: [Int: String] = [:]
  private var echoIDs: [Int: String] = [:]
  private var dnsIDs: [Int: String] = [:]
  private var fragments: [String: String] = [:]
  /// The sequence number that a direction of a TCP connection counts from.
  var sequenceBases: [String: Int] = [:]

  private var owners: [String: String] = [:]
  /// The owned addresses in order of importance, with their owners.
  private var ownerList: [(mac: String, label: String)] = []
  private var ownMACs: [Interface: Set<String>] = [:]

  init(_ recording: Recording) {
    showsIPv6 = recording.isMarked("ipv6")
    literals = LabNames.numbers(in: recording.lab)
    // A bridge wins over its ports, the first namespace over the others.
    func importance(_ link: Recording.Link) -> (Int, Int, String, Int) {
      (link.kind == "bridge" ? 0 : 1, link.namespace == "host" ? 0 : 1, link.namespace, link.index)
    }
    for link in recording.links.sorted(by: { importance($0) < importance($1) }) {
      let label = link.namespace + ":" + link.name
      ownMACs[Interface(namespace: link.namespace, name: link.name), default: []].formUnion(
        link.macs
      )
      for mac in link.macs where owners[mac] == nil {
        owners[mac] = label
        ownerList.append((mac, label))
      }
    }
  }

  /// The numbers of up to five digits that stand alone in the lab, or before a point.
  private static func numbers(in text: String) -> Set<Int> {
    func isWord(_ byte: UInt8) -> Bool {
      switch byte {
      case UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "a")...UInt8(ascii: "z"),
        UInt8(ascii: "A")...UInt8(ascii: "Z"), UInt8(ascii: "_"), 0x80...:
        true
      default: false
      }
    }
    var numbers: Set<Int> = []
    let bytes = Array(text.utf8)
    var at = 0
    while at < bytes.count {
      guard isWord(bytes[at]) else {
        at += 1
        continue
      }
      let start = at
      while at < bytes.count, isWord(bytes[at]) { at += 1 }
      if start > 0, bytes[start - 1] == UInt8(ascii: ".") { continue }
      if at - start <= 5, let number = Int(String(decoding: bytes[start..<at], as: UTF8.self)) {
        numbers.insert(number)
      }
    }
    return numbers
  }

  // MARK: Numbers

  func port(_ port: Int) -> String {
    if port < 1024 || literals.contains(port) || WellKnown.vxlanPorts.contains(port) {
      return String(port)
    }
    return LabNames.name(of: port, in: &ports, prefix: "e")
  }

  func echoID(_ number: Int) -> String { LabNames.name(of: number, in: &echoIDs, prefix: "i") }

  func dnsID(_ number: Int) -> String { LabNames.name(of: number, in: &dnsIDs, prefix: "d") }

  /// The name of a fragmented datagram, told by its addresses, protocol and id.
  func fragment(_ key: String) -> String { LabNames.name(of: key, in: &fragments, prefix: "f") }

  private static func name<Key>(of key: Key, in names: inout [Key: String], prefix: String)
    -> String
  {
    if let name = names[key] { return name }
    let name = prefix + String(names.count + 1)
    names[key] = name
    return name
  }

  // MARK: MAC addresses

  /// The owner of a MAC address written in lower case.
  func mac(_ mac: String) -> String {
    if mac == "ff:ff:ff:ff:ff:ff" { return "bcast" }
    if mac.hasPrefix("33:33:ff:") {
      let tail = mac.dropFirst(9)
      if let owner = ownerList.first(where: { $0.mac.dropFirst(9) == tail }) {
        return "33:33:ff<\(owner.label)>"
      }
    }
    if mac == "00:00:00:00:00:00" { return "-" }
    return owners[mac] ?? mac
  }

  func mac(_ bytes: Bytes) -> String { mac(bytes.hex(separator: UInt8(ascii: ":"))) }

  /// Names a MAC that an interface lists: the interface itself, if the address is its own.
  func mac(_ mac: String, listedOn interface: Interface) -> String {
    if ownMACs[interface]?.contains(mac) == true {
      return interface.namespace + ":" + interface.name
    }
    return self.mac(mac)
  }

  // MARK: IPv6 addresses

  /// The owner of the MAC that an IPv6 interface identifier was made of.
  private func owner(ofIdentifier host: ArraySlice<UInt8>) -> String? {
    let bytes = Array(host)
    guard bytes.count == 8, bytes[3] == 0xff, bytes[4] == 0xfe else { return nil }
    let mac = [bytes[0] ^ 2] + bytes[1...2] + bytes[5...7]
    return owners[Bytes(mac).hex(separator: UInt8(ascii: ":"))]
  }

  /// An address as text, with the owner's name where it was made of a MAC.
  func ipv6(_ bytes: [UInt8]) -> String {
    guard bytes.count == 16 else { return "ip6-short" }
    if let owner = owner(ofIdentifier: bytes[8...]) {
      var prefix = IPv6Text.format(Array(bytes[..<8]) + [UInt8](repeating: 0, count: 8))
      while prefix.hasSuffix(":") { prefix.removeLast() }
      return prefix + "::<\(owner)>"
    }
    if bytes[..<13].elementsEqual(LabNames.solicitedNodePrefix) {
      let tail = Bytes(Array(bytes[13...])).hex(separator: UInt8(ascii: ":"))
      if let owner = ownerList.first(where: { $0.mac.dropFirst(9) == tail }) {
        return "ff02::1:ff<\(owner.label)>"
      }
    }
    return IPv6Text.format(bytes)
  }

  private static let solicitedNodePrefix: [UInt8] =
    [0xff, 0x02] + [UInt8](repeating: 0, count: 9) + [0x01, 0xff]

  /// Words that may be an IPv6 address: named if it was made of a MAC or is a group, else unchanged.
  func ipv6(inText text: Substring) -> String {
    guard let bytes = IPv6Text.parse(text),
      bytes[0] == 0xff || owner(ofIdentifier: bytes[8...]) != nil
    else { return String(text) }
    return ipv6(bytes)
  }
}
