/// A DNS message as text.
struct DNSText {
  private let data: Bytes
  private let names: LabNames

  init(_ data: Bytes, names: LabNames) {
    self.data = data
    self.names = names
  }

  private enum Flag {
    static let reply = 0x8000
    static let words = [
      (0x400, "aa"), (0x200, "tc"), (0x100, "rd"), (0x80, "ra"), (0x20, "ad"), (0x10, "cd"),
    ]
  }

  private enum RecordType {
    static let a = 1
    static let ns = 2
    static let cname = 5
    static let soa = 6
    static let ptr = 12
    static let mx = 15
    static let txt = 16
    static let srv = 33
    static let opt = 41
  }

  /// The header, the questions and every record of the message.
  func message() throws(Bytes.Malformed) -> String {
    let (id, flags, questions) = try (data.u16(0), data.u16(2), data.u16(4))
    let sections = try [("an", data.u16(6)), ("ns", data.u16(8)), ("ar", data.u16(10))]
    var words = ["dns", names.dnsID(id)]
    if flags & Flag.reply != 0 {
      words.append("reply " + (WellKnown.dnsResponses[flags & 15] ?? String(flags & 15)))
    } else {
      words.append("query")
    }
    if flags >> 11 & 15 != 0 { words.append("opcode=\(flags >> 11 & 15)") }
    words += Flag.words.filter { flags & $0.0 != 0 }.map(\.1)
    var at = 12
    for _ in 0..<questions {
      let (name, end) = try self.name(at: at)
      words.append(try name + " " + (WellKnown.dnsTypes[data.u16(end)] ?? "?"))
      at = end + 4
    }
    var text = words.joined(separator: " ")
    for (title, count) in sections {
      for _ in 0..<count {
        let (record, end) = try record(at: at)
        text += " | \(title) \(record)"
        at = end
      }
    }
    return text
  }

  /// A name and the position after it; compression pointers are followed.
  private func name(at start: Int) throws(Bytes.Malformed) -> (String, Int) {
    var labels: [String] = []
    var at = start
    var end: Int?
    for _ in 0..<128 {
      let size = try data.u8(at)
      if size >= 0xc0 {
        end = end ?? at + 2
        at = try data.u16(at) & 0x3fff
      } else if size == 0 {
        return (labels.isEmpty ? "." : labels.joined(separator: "."), end ?? at + 1)
      } else {
        labels.append(TextForm.ascii(data.slice(at + 1, at + 1 + size)))
        at += 1 + size
      }
    }
    throw Bytes.Malformed()
  }

  private func record(at start: Int) throws(Bytes.Malformed) -> (String, Int) {
    let (name, fixed) = try self.name(at: start)
    let (type, recordClass, ttl) = try (data.u16(fixed), data.u16(fixed + 2), data.u32(fixed + 4))
    let size = try data.u16(fixed + 8)
    let at = fixed + 10
    let end = at + size
    let body = data.slice(at, end)
    let value: String
    switch type {
    case RecordType.opt:
      return (try options(body, size: recordClass, wantsDNSSEC: ttl & 0x8000 != 0), end)
    case RecordType.a where size == 4: value = body.array.map { String($0) }.joined(separator: ".")
    case RecordType.ns, RecordType.cname, RecordType.ptr: value = try self.name(at: at).0
    case RecordType.mx: value = try "\(body.u16(0)) " + self.name(at: at + 2).0
    case RecordType.srv:
      value = try "\(body.u16(0)) \(body.u16(2)) \(body.u16(4)) " + self.name(at: at + 6).0
    case RecordType.soa: value = try authority(at: at)
    case RecordType.txt: value = try strings(body)
    default: value = body.hex()
    }
    let label = WellKnown.dnsTypes[type] ?? "TYPE\(type)"
    // A cache counts the seconds down.
    return ("\(name) \(TextForm.tens(ttl)) \(label) \(value)", end)
  }

  private func authority(at: Int) throws(Bytes.Malformed) -> String {
    let (server, afterServer) = try name(at: at)
    let (mailbox, numbers) = try name(at: afterServer)
    var words = [server, mailbox]
    for index in 0..<5 { words.append(String(try data.u32(numbers + 4 * index))) }
    return words.joined(separator: " ")
  }

  private func strings(_ body: Bytes) throws(Bytes.Malformed) -> String {
    var texts: [String] = []
    var at = 0
    while at < body.count {
      let size = try body.u8(at)
      texts.append(TextForm.quoted(TextForm.ascii(body.slice(at + 1, at + 1 + size))))
      at += 1 + size
    }
    return texts.joined(separator: " ")
  }

  private func options(
    _ body: Bytes,
    size: Int,
    wantsDNSSEC: Bool
  ) throws(Bytes.Malformed) -> String {
    var words = ["OPT udp=\(size)"]
    if wantsDNSSEC { words.append("do") }
    var at = 0
    while at + 4 <= body.count {
      let (code, length) = try (body.u16(at), body.u16(at + 2))
      let value = body.slice(at + 4, at + 4 + length)
      words.append(code == 10 ? "cookie=\(length)B" : "opt\(code)=" + value.hex())
      at += 4 + length
    }
    return words.joined(separator: " ")
  }
}
