import HopyardSimulator
import HopyardWire

extension Process {
  /// The seconds and nanoseconds that the machine's clock shows: a run begins with the year 2026.
  var wallClock: (seconds: Int64, nanoseconds: Int64) {
    let now = simulation.now.nanoseconds
    return (Simulation.epoch + now / 1_000_000_000, now % 1_000_000_000)
  }

  /// Marks a socket as this process's.
  func own(_ socket: Socket, descriptor: Int = 3) {
    socket.uid = uid
    socket.owner = (name, Int(pid), descriptor)
  }

  /// The address of a name that stands in `/etc/hosts`, or of an address written out.
  func resolve(_ name: String) -> IPv4Address? {
    if let address = IPv4Address.inetAton(name) { return address }
    if let bytes = try? contents(of: "/etc/hosts") {
      for line in String(decoding: bytes, as: UTF8.self).split(separator: "\n") {
        let words = line.prefix { $0 != "#" }.split(whereSeparator: { $0 == " " || $0 == "\t" })
        guard words.count > 1, words.dropFirst().contains(where: { $0 == name }) else { continue }
        if let address = IPv4Address(String(words[0])) { return address }
      }
    }
    return name == "localhost" ? .loopback : nil
  }

  /// The name that `/etc/hosts` gives an address.
  func hostName(of address: IPv4Address) -> String? {
    guard let bytes = try? contents(of: "/etc/hosts") else { return nil }
    for line in String(decoding: bytes, as: UTF8.self).split(separator: "\n") {
      let words = line.prefix { $0 != "#" }.split(whereSeparator: { $0 == " " || $0 == "\t" })
      guard words.count > 1, IPv4Address(String(words[0])) == address else { continue }
      return String(words[1])
    }
    return nil
  }
}
