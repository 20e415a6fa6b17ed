import HopyardServices
import HopyardSimulator
import HopyardWire

/// The proxy addresses of `socat`.
extension SocatOpener {
  private func proxyPort(_ option: String, _ usual: UInt16) async throws(ProcessExit) -> UInt16 {
    guard let text = address.value(option) else { return usual }
    return try await port(text)
  }

  /// `PROXY:<proxy>:<host>:<port>`: asks an HTTP proxy with CONNECT.
  func openProxy() async throws(ProcessExit) -> Channel {
    let proxy = try await host(address.parameters[0])
    let proxyPort = try await proxyPort("proxyport", 8080)
    let name = "\(address.parameters[1]):\(address.parameters[2])"
    let channel = try await connectTCP(
      proxy,
      proxyPort,
      remark: "opening connection to \(name) via proxy \(proxy):\(proxyPort)"
    )
    let stream = ProxyStream(process, channel.socket)
    do throws(ProcessExit) {
      try await stream.write(Array("CONNECT \(name) HTTP/1.0\r\n".utf8))
      if let user = address.value("proxyauth") {
        let credentials = Base64Text.encoded(Array(user.utf8))
        try await stream.write(Array("Proxy-authorization: Basic \(credentials)\r\n".utf8))
      }
      try await stream.write([0x0d, 0x0a])
      guard let status = try await stream.readLine() else {
        throw try await run.fail("proxy: connection closed by proxy")
      }
      let words = status.split(separator: " ", maxSplits: 2).map(String.init)
      guard words.count > 1, words[0].hasPrefix("HTTP/1."), words[1].utf8.count == 3 else {
        throw try await run.fail("proxy: invalid answer \"\(status)\"")
      }
      guard words[1].hasPrefix("2") else {
        throw try await run.fail("CONNECT \(name): \(words.count > 2 ? words[2] : "")")
      }
      while let line = try await stream.readLine(), !line.isEmpty {}
    } catch {
      channel.close()
      throw error
    }
    try await run.say(
      "N",
      "successfully connected to \(name) via proxy \(proxy):\(proxyPort)"
    )
    return channel
  }

  /// `SOCKS4:<proxy>:<host>:<port>` and `SOCKS4A`, which sends the name instead of the address.
  func openSOCKS() async throws(ProcessExit) -> Channel {
    let proxy = try await host(address.parameters[0])
    let proxyPort = try await proxyPort("socksport", 1080)
    let sendsName = address.type.lowercased() == "socks4a"
    let targetPort = try await port(address.parameters[2])
    let name = address.parameters[1]
    let target = sendsName ? IPv4Address(0, 0, 0, 1) : try await host(name)
    let channel = try await connectTCP(
      proxy,
      proxyPort,
      remark: "opening connection to \(target):\(targetPort) using socks4"
    )
    let stream = ProxyStream(process, channel.socket)
    let user = address.value("socksuser") ?? process.environment["USER"] ?? "root"
    let octets = target.octets
    var request: [UInt8] = [4, 1, UInt8(targetPort >> 8), UInt8(targetPort & 255)]
    request += [octets.0, octets.1, octets.2, octets.3] + Array(user.utf8) + [0]
    if sendsName { request += Array(name.utf8) + [0] }
    do throws(ProcessExit) {
      try await stream.write(request)
      guard let reply = try await stream.read(8) else {
        throw try await run.fail("socks: connection closed by server")
      }
      switch reply[1] {
      case 90: break
      case 91: throw try await run.fail("socks: connect request rejected or failed")
      case 92: throw try await run.fail("socks: ident refused by client")
      case 93: throw try await run.fail("socks: ident failed")
      default: throw try await run.fail("socks: undefined status \(reply[1])")
      }
    } catch {
      channel.close()
      throw error
    }
    return channel
  }
}
