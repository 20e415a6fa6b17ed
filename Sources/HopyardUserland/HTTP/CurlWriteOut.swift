import HopyardServices
import HopyardSimulator
import HopyardWire

/// Expands the format of `curl -w`.
struct CurlWriteOut {
  private let transfer: CurlTransfer

  init(_ transfer: CurlTransfer) { self.transfer = transfer }

  func expand(_ format: String) -> String {
    var text = ""
    var rest = Substring(format)
    while let character = rest.popFirst() {
      switch character {
      case "%":
        if rest.hasPrefix("%") {
          rest = rest.dropFirst()
          text += "%"
        } else if rest.hasPrefix("{"), let end = rest.firstIndex(of: "}") {
          let name = String(rest[rest.index(after: rest.startIndex)..<end])
          rest = rest[rest.index(after: end)...]
          if let value = value(name) {
            text += value
          } else {
            text += "curl: unknown --write-out variable: '\(name)'\n"
          }
        } else if rest.hasPrefix("header{"), let end = rest.firstIndex(of: "}") {
          let name = String(rest[rest.index(rest.startIndex, offsetBy: 7)..<end])
          rest = rest[rest.index(after: end)...]
          text += transfer.response?.fields.all(name).first ?? ""
        } else {
          text += "%"
        }
      case "\\":
        switch rest.popFirst() {
        case "n": text += "\n"
        case "r": text += "\r"
        case "t": text += "\t"
        case let other?: text += "\\\(other)"
        case nil: text += "\\"
        }
      default: text.append(character)
      }
    }
    return text
  }

  private func value(_ name: String) -> String? {
    switch name {
    case "http_code", "response_code":
      let digits = String(transfer.status)
      return String(repeating: "0", count: max(0, 3 - digits.count)) + digits
    case "http_connect": return "000"
    case "http_version":
      guard let response = transfer.response else { return "0" }
      return response.minorVersion == 0 ? "1" : "1.1"
    case "content_type": return transfer.response?.fields["Content-Type"] ?? ""
    case "size_download": return String(transfer.received)
    case "size_upload": return String(transfer.sent)
    case "size_header": return String(transfer.headerSize)
    case "size_request": return String(transfer.requestSize)
    case "speed_download":
      let time = transfer.times.total
      return String(time > 0 ? Int64(transfer.received) * 1_000_000_000 / time : 0)
    case "speed_upload": return "0"
    case "time_namelookup": return seconds(transfer.times.nameLookup)
    case "time_connect": return seconds(transfer.times.connect)
    case "time_appconnect": return seconds(0)
    case "time_pretransfer": return seconds(transfer.times.pretransfer)
    case "time_starttransfer": return seconds(transfer.times.startTransfer)
    case "time_redirect": return seconds(transfer.times.redirect)
    case "time_total": return seconds(transfer.times.total)
    case "num_connects": return String(transfer.connects)
    case "num_redirects": return String(transfer.redirects)
    case "num_headers": return String(transfer.response?.fields.list.count ?? 0)
    case "redirect_url": return transfer.redirectURL ?? ""
    case "url_effective": return transfer.effectiveURL
    case "url": return transfer.target.url
    case "urlnum": return String(transfer.index)
    case "remote_ip": return transfer.remote.map { "\($0.address)" } ?? ""
    case "remote_port": return transfer.remote.map { "\($0.port)" } ?? "0"
    case "local_ip": return transfer.local.map { "\($0.address)" } ?? ""
    case "local_port": return transfer.local.map { "\($0.port)" } ?? "0"
    case "scheme": return transfer.scheme.uppercased()
    case "method": return transfer.method
    case "exitcode": return String(transfer.failure?.code ?? 0)
    case "errormsg": return transfer.failure?.message ?? ""
    case "referer": return transfer.session.options.referer ?? ""
    case "filename_effective": return transfer.path ?? ""
    case "ssl_verify_result", "proxy_ssl_verify_result": return "0"
    case "ftp_entry_path": return ""
    case "onerror", "stdout", "stderr": return ""
    default: return nil
    }
  }

  private func seconds(_ nanoseconds: Int64) -> String {
    let micro = max(nanoseconds, 0) / 1000
    return "\(micro / 1_000_000).\(DecimalText.zeroPadded(micro % 1_000_000, 6))"
  }
}
