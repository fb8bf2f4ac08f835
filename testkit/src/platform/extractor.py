"""A platform for tests: what a site of the test says of a video is what the extractor does."""

import os
import subprocess
import time

from yt_dlp.extractor.common import InfoExtractor
from yt_dlp.utils import ExtractorError, UserNotLive

SITE = "http://SITE"


class DoubleIE(InfoExtractor):
    IE_NAME = "youtube:double"
    _VALID_URL = r"https://www\.youtube\.com/watch\?v=(?P<id>[\w-]{11})$"

    def _real_extract(self, url):
        id = self._match_id(url)
        answer = self._download_json(f"{SITE}/{id}", id)
        deed = answer.pop("do", None)
        if deed == "geo":
            self.raise_geo_restricted()
        if deed == "login":
            self.raise_login_required()
        if deed == "offline":
            raise UserNotLive(video_id=id)
        if deed == "say":
            raise ExtractorError(answer["text"], expected=True)
        if deed == "bug":
            return {}["streamingData"]
        if deed == "hang":
            child = subprocess.Popen(["sleep", "300"])
            self._download_json(f"{SITE}/tell/{os.getpid()}/{child.pid}", id)
            time.sleep(300)
        if deed == "crash":
            os._exit(3)
        if deed == "balloon":
            return {"id": id, "title": "x" * (2 << 30)}
        if deed == "long":
            answer["formats"] = [{**answer["formats"][0], "url": f"http://a/{'x' * 4000}"}] * 300
        if deed == "wide":
            # What the server does not read may be as long as it likes.
            answer["subtitles"] = {"en": [{"url": "http://a/", "data": "x" * (100 << 20)}]}
        return answer
